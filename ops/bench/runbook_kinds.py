"""The shapes of runbooks that can be made, after those of the streaming track.

sliding-window: a batch comes with every step, and from the middle on the one that is half the runbook old goes.
expiration:     each batch lives for ever (1 in 19), for half the runbook (3 in 19) or for a tenth of it, and a part of
                it is replaced half-way through that.
clustered:      vectors come and go by clusters: at each step runs of some clusters come, and runs of others go. The
                data must lie in the order of its clusters (`ops.bench.runbook_making.grouped_by_cluster`).
"""

from enum import StrEnum


class Kind(StrEnum):
    """How vectors come and go."""

    SLIDING_WINDOW = "sliding-window"
    EXPIRATION = "expiration"
    CLUSTERED = "clustered"
