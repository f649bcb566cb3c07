"""The loss of a batch: the weighted sum of a recipe's objectives."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from embedder.training.losses import info_nce, proxy_softmax, supervised_contrastive, triplet_hard, triplet_semi_hard
from embedder.training.recipe import LossName, Objective, Positives, Recipe

Tensor = Any
IntArray = npt.NDArray[np.int64]
_BY_TEMPERATURE: dict[LossName, Callable[[Tensor, Tensor, float], Tensor]] = {
    "supcon": supervised_contrastive,
    "infonce": info_nce,
}
_BY_MARGIN: dict[LossName, Callable[[Tensor, Tensor, float], Tensor]] = {
    "triplet-hard": triplet_hard,
    "triplet-semi-hard": triplet_semi_hard,
}


class BatchLoss:
    """What a recipe makes small, with the proxies that its objectives learn beside the network.

    `proxies` is a torch module: a vector per label for each kind of positives that has an objective with proxies. They
    teach and are no part of what is kept.
    """

    def __init__(self, recipe: Recipe, labels: Mapping[Positives, IntArray], dimension: int, where: str) -> None:
        """`labels` are those of all pictures, (n,) by kind of positives; vectors will have `dimension` numbers."""
        from torch import nn

        self._recipe = recipe
        having = sorted({one.positives for one in recipe.objectives if one.loss == "proxy"})
        counts = {kind: int(labels[kind].max(initial=-1)) + 1 for kind in having}
        learnt = {kind: nn.Linear(dimension, count, bias=False) for kind, count in counts.items()}
        self.proxies = nn.ModuleDict(learnt).to(where)

    def __call__(self, vectors: Tensor, labels: Mapping[Positives, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """The loss of unit vectors (n, dimension) float32 with their labels (n,), and each term's value."""
        total = vectors.sum() * 0.0
        terms: dict[str, float] = {}
        for one in self._recipe.objectives:
            term = self._term(one, vectors, labels[one.positives])
            terms[one.said] = float(term.detach())
            total = total + one.weight * term
        return total, terms

    def _term(self, one: Objective, vectors: Tensor, labels: Tensor) -> Tensor:
        recipe = self._recipe
        if one.loss == "proxy":
            proxies = self.proxies[one.positives].weight
            return proxy_softmax(vectors, proxies, labels, recipe.temperature, recipe.smoothing)
        if one.loss in _BY_TEMPERATURE:
            return _BY_TEMPERATURE[one.loss](vectors, labels, recipe.temperature)
        return _BY_MARGIN[one.loss](vectors, labels, recipe.margin)
