"""The states of a shard."""

from enum import Enum

#     empty ──> restoring ──> replaying ──> serving
#                   │             │            │
#                   ├─────────────┴────────────┤
#                   v                          v
#                 failed ─────────────────> retiring
#
# restoring: a snapshot is being read. replaying: the log is read up to where it ended at the start. Only a shard that
# is serving answers. failed: the log lost what was still needed, or something broke that a retry cannot mend.


class ShardState(Enum):
    """What a shard is doing; the diagram is above."""

    EMPTY = "empty"
    RESTORING = "restoring"
    REPLAYING = "replaying"
    SERVING = "serving"
    FAILED = "failed"
    RETIRING = "retiring"


_NEXT = {
    ShardState.EMPTY: {ShardState.RESTORING, ShardState.FAILED, ShardState.RETIRING},
    ShardState.RESTORING: {ShardState.REPLAYING, ShardState.FAILED, ShardState.RETIRING},
    ShardState.REPLAYING: {ShardState.SERVING, ShardState.RESTORING, ShardState.FAILED, ShardState.RETIRING},
    ShardState.SERVING: {ShardState.FAILED, ShardState.RETIRING},
    ShardState.FAILED: {ShardState.RETIRING},
    ShardState.RETIRING: set(),
}


def may_follow(before: ShardState, after: ShardState) -> bool:
    """Whether the diagram has this arrow."""
    return after in _NEXT[before]
