"""Searches without the system's own probes."""

from collections.abc import Callable

from index_shards.searcher import Found, Query
from schemas.canary import is_canary


def without_canaries(search: Callable[[Query], Found], query: Query) -> Found:
    """The best items that are no canaries.

    They are few and look like no item, so nearly every answer has none; one that has is searched again for as many more
    as it lacks, until it is full or there are no more items.
    """
    found, extra = search(query), 0
    while True:
        shown = [item for item in found.items if not is_canary(item.item_id)]
        hidden = len(found.items) - len(shown)
        if not hidden or len(shown) >= query.k or len(found.items) < query.k + extra:
            return found if not hidden else found._replace(items=shown[: query.k])
        extra = hidden
        found = search(query._replace(k=query.k + extra))
