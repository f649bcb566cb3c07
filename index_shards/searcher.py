"""One search over both tiers: scan the buffer, walk the graph, look again at the buffer, and name the items."""

from typing import Any, NamedTuple

import numpy as np

from index_shards.candidates import BoolArray, Candidates, Float32Array
from index_shards.filters import Passed, scan_items
from index_shards.fresh_buffer import BufferView
from index_shards.id_map import Item
from index_shards.tiers import Tiers
from schemas.errors import InputError
from schemas.filters import Filter, matches

DEEPER = 4
MAX_OVERTAKEN = 20
MATCH_ALL = Filter()


class Query(NamedTuple):
    """A float32 unit vector of shape (dimension,), and how many items it wants of those that pass the filter."""

    vector: Float32Array
    k: int
    wanted: Filter | None = None
    exact: bool = False
    exclude: str | None = None


class FoundItem(NamedTuple):
    """An item with the score of its best picture; the attributes are those it had at that moment."""

    item_id: str
    score: float
    attributes: dict[str, Any]


class Found(NamedTuple):
    """The best items, best first, ties by item_id; and the filter's attributes that no item has."""

    items: list[FoundItem]
    unknown_attributes: list[str]


def search(tiers: Tiers, query: Query) -> Found:
    """The best items for a query.

    The buffer is scanned before the graph, and once more, for what came since, in the moment in which items are named.
    An item that can be found during the whole search is therefore in one of the three, wherever its vectors move; but
    for a vector that came after the first scan and had left the buffer before the second, and then all is done again
    (it takes a buffer that was drained from end to end meanwhile).

    Raises:
        InputError: the vector has another dimension than the index, is not finite, or k is below 1.
    """
    _check(tiers, query)
    passed = None if query.wanted is None else scan_items(query.wanted, tiers.id_map)
    depth, overtaken = query.k, 0
    while True:
        with tiers.lock:
            view = tiers.buffer.view()
        newest = tiers.buffer.search(view, query.vector, _eligible_of(view, passed), depth)
        allowed = None if passed is None else passed.ordinals
        settled = tiers.graph.search(query.vector, depth, allowed, query.exact)
        with tiers.lock:
            if tiers.buffer.start > view.end and overtaken < MAX_OVERTAKEN:
                overtaken += 1
                continue
            since = tiers.buffer.view(view.end)
            late = tiers.buffer.search(since, query.vector, ~since.hidden, depth)
            items = _name_items(tiers, query, _merged([newest, settled, late]))
        if len(items) >= query.k or (newest.complete and settled.complete and late.complete):
            return Found(items, [] if passed is None else passed.unknown_attributes)
        depth *= DEEPER


def _check(tiers: Tiers, query: Query) -> None:
    dimension = tiers.generation.dimension
    if query.vector.shape != (dimension,):
        raise InputError(f"the vector must have {dimension} numbers, not shape {query.vector.shape}", code="bad_vector")
    if not np.isfinite(query.vector).all():
        raise InputError("the vector must be finite", code="bad_vector")
    if query.k < 1:
        raise InputError(f"k must be at least 1, not {query.k}", code="bad_k")


def _eligible_of(view: BufferView, passed: Passed | None) -> BoolArray:
    shown = ~view.hidden
    return shown if passed is None else shown & np.isin(view.ordinals, passed.ordinals)


def _merged(parts: list[Candidates]) -> list[tuple[int, float]]:
    """Ordinals with their scores, best first."""
    ordinals = np.concatenate([p.ordinals for p in parts])
    scores = np.concatenate([p.scores for p in parts])
    order = np.argsort(-scores, kind="stable")
    return list(zip(ordinals[order].tolist(), scores[order].tolist(), strict=True))


def _name_items(tiers: Tiers, query: Query, candidates: list[tuple[int, float]]) -> list[FoundItem]:
    """The k best items behind these pictures, as they are now."""
    wanted = query.wanted or MATCH_ALL
    found: dict[str, FoundItem] = {}
    last_score = 0.0
    for ordinal, score in candidates:
        if len(found) >= query.k and score < last_score:
            break
        picture = tiers.id_map.pictures.get(ordinal)
        if picture is None or not picture.visible:
            continue
        for item in tiers.id_map.behind(picture):
            if item.item_id not in found and _eligible(item, query.exclude, wanted):
                found[item.item_id] = FoundItem(item.item_id, score, item.attributes)
                last_score = score
    return sorted(found.values(), key=lambda item: (-item.score, item.item_id))[: query.k]


def _eligible(item: Item, exclude: str | None, wanted: Filter) -> bool:
    return item.findable and item.item_id != exclude and matches(wanted, item.attributes)
