"""The learning rate over time."""

import math


def rate_share(step: int, steps: int, warmup: int) -> float:
    """The share of the highest learning rate in a step, counted from 0: a line up to it during the `warmup` steps
    (Goyal et al., "Accurate, large minibatch SGD", 2017), then half a cosine down to 0 (Loshchilov and Hutter, "SGDR:
    stochastic gradient descent with warm restarts", 2017)."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
