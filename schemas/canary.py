"""Canaries: items the system writes and searches for itself, to measure its freshness through its own front door.

They are told by a reserved prefix of their ids. Nobody else may use it: a change that does is refused, `bad_id`, unless
it says `"canary": true`, which the router writes for a request that carries the header. Searches leave canaries out
unless they carry the header too, and so does the list of live changes.
"""

CANARY_PREFIX = "lookalive-canary:"
CANARY_HEADER = "X-Lookalive-Canary"


def is_canary(item_id: str) -> bool:
    """Whether this is the id of a canary."""
    return item_id.startswith(CANARY_PREFIX)
