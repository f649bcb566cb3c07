"""The states of a shard."""

from enum import Enum

#     empty ──> restoring ──> replaying ──> serving <──> compacting
#                   │             │            │             │
#                   ├─────────────┴────────────┴─────────────┤
#                   v                                        v
#                 failed ───────────────────────────────> retiring
#
# restoring: a snapshot is being read, again and again while the disk has no room for it. replaying: the log is read up
# to where it ended at the start. serving: searches are answered. compacting: they are, and a new graph is built beside
# the one they go to. failed: the log lost what was still needed, or something broke that a retry cannot mend. retiring:
# it is closed.


class ShardState(Enum):
    """What a shard is doing; the diagram is above."""

    EMPTY = "empty"
    RESTORING = "restoring"
    REPLAYING = "replaying"
    SERVING = "serving"
    COMPACTING = "compacting"
    FAILED = "failed"
    RETIRING = "retiring"

    @property
    def answers(self) -> bool:
        """Whether searches are answered."""
        return self in (ShardState.SERVING, ShardState.COMPACTING)


_NEXT = {
    ShardState.EMPTY: {ShardState.RESTORING, ShardState.FAILED, ShardState.RETIRING},
    ShardState.RESTORING: {ShardState.RESTORING, ShardState.REPLAYING, ShardState.FAILED, ShardState.RETIRING},
    ShardState.REPLAYING: {ShardState.SERVING, ShardState.RESTORING, ShardState.FAILED, ShardState.RETIRING},
    ShardState.SERVING: {ShardState.COMPACTING, ShardState.FAILED, ShardState.RETIRING},
    ShardState.COMPACTING: {ShardState.SERVING, ShardState.FAILED, ShardState.RETIRING},
    ShardState.FAILED: {ShardState.RETIRING},
    ShardState.RETIRING: set(),
}


def may_follow(before: ShardState, after: ShardState) -> bool:
    """Whether the diagram has this arrow."""
    return after in _NEXT[before]
