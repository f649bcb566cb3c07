"""The names of the groups of rows that `lookalive bench shard` measures, in the order in which they are."""

from enum import StrEnum


class Group(StrEnum):
    """A group of rows; each can be measured alone. The later ones change the shard that the earlier ones measure."""

    SEARCH = "search"
    INSERT = "insert"
    FILTER = "filter"
    PEERS = "peers"
    MEMORY = "memory"
    RESTORE = "restore"
    LOAD = "load"
    NEIGHBOURHOOD = "neighbourhood"
    CHURN = "churn"
