"""One search over both tiers: scan the buffer, walk the graph, look again at the buffer, and name the items."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from index_shards.candidates import (
    NOTHING,
    SCORE,
    BoolArray,
    Candidates,
    Float32Array,
    Int64Array,
    final_scores,
)
from index_shards.filters import Passed, passing, shown_by
from index_shards.fresh_buffer import BufferView
from index_shards.graph_search import search_graph
from index_shards.picture_table import SLOT_MASK
from index_shards.tiers import Tiers
from schemas.errors import InputError
from schemas.filters import Filter, matches

DEEPER = 4
# A filter that passes this share is sifted from a walk so much deeper (over the share) and up to so much wider.
BROAD, DEEPER_BROAD, WIDER_BROAD = 0.25, 1.5, 2.5
# More items than this are not sifted: each would be looked at in Python.
BROAD_K = 100
MAX_OVERTAKEN = 20


class Query(NamedTuple):
    """A float32 unit vector of shape (dimension,), and how many items it wants of those that pass the filter."""

    vector: Float32Array
    k: int
    wanted: Filter | None = None
    exact: bool = False
    exclude: str | None = None


class FoundItem(NamedTuple):
    """An item with the score of its best picture; the attributes are those it had at that moment, as JSON."""

    item_id: str
    score: float
    attributes: bytes


class Found(NamedTuple):
    """The best items, best first, ties by item_id; and the filter's attributes that no item has."""

    items: list[FoundItem]
    unknown_attributes: list[str]


def search(tiers: Tiers, query: Query) -> Found:
    """The best items for a query.

    The buffer is scanned before the graph, and once more, for what came since, in the moment in which items are named.
    An item that can be found during the whole search is therefore in one of the three, wherever its vectors move; but
    for a vector that came after the first scan and had left the buffer before the second, and then all is done again
    (it takes a buffer that was drained from end to end meanwhile). An item may also leave its picture for one that was
    there and hidden, or another's, and passed over as such; those that were taken up meanwhile are looked at as well.

    Raises:
        InputError: the vector has another dimension than the index, is not finite, or k is below 1.
    """
    _check(tiers, query)
    wanted = query.wanted
    tiers.recent_queries.append(query.vector)
    taken_up_before = tiers.taken_up_count
    passed = None if wanted is None else passing(wanted, tiers.attributes)
    reach = _reach(tiers, passed, query)
    depth, overtaken = query.k + (query.exclude is not None), 0
    while True:
        with tiers.lock:
            view = tiers.buffer.view()
            eligible = _eligible_of(tiers, view, passed)
        newest = tiers.buffer.search(view, query.vector, eligible, depth)
        # Not before now: what the scan found overwritten had been drained, but not into a graph of earlier.
        settled = search_graph(
            tiers.graph,
            query.vector,
            math.ceil(reach.deeper * depth),
            reach.slots,
            query.exact,
            tiers.dead_hits,
            reach.width,
        )
        taken_up, looked_at = _taken_up_since(tiers, taken_up_before, query.vector)
        with tiers.lock:
            missed = tiers.buffer.start > view.end or tiers.taken_up_count != looked_at
            if missed and overtaken < MAX_OVERTAKEN:
                overtaken += 1
                continue
            since = tiers.buffer.view(view.end)
            late = tiers.buffer.search(since, query.vector, _eligible_of(tiers, since, None), depth)
            items = _name_items(tiers, query, [*newest.scored, *settled.scored, *taken_up.scored, *late.scored])
        if _is_final(items, query.k, (newest, settled, late)):
            return Found(items, [] if passed is None else passed.unknown_attributes)
        if passed is not None and reach.slots is None:
            # Around this query fewer pass than elsewhere.
            reach = _within(tiers, passed)
        else:
            depth *= DEEPER


def _is_final(items: list[FoundItem], k: int, parts: Sequence[Candidates]) -> bool:
    """Whether nothing that was not looked at may be better than the last item: of each part, what scores lower."""
    unseen = [min(part.scored, default=(math.inf, 0))[0] for part in parts if not part.complete]
    return not unseen or (len(items) >= k and items[k - 1].score >= max(unseen))


class _Reach(NamedTuple):
    """How the graph is asked: for the pictures of these slots (None: all), how much deeper, and how much wider."""

    slots: Int64Array | None = None
    deeper: float = 1.0
    width: float = 1.0


def _reach(tiers: Tiers, passed: Passed | None, query: Query) -> _Reach:
    """What serves a filter that passes so many: a broad one is sifted from a wider walk, which looks at nobody else."""
    if passed is None:
        return _Reach()
    if query.exact or query.k > BROAD_K or passed.share < BROAD:
        return _within(tiers, passed)
    return _Reach(None, DEEPER_BROAD / passed.share, min(WIDER_BROAD, 1 + 2 * WIDER_BROAD * (1 - passed.share)))


def _within(tiers: Tiers, passed: Passed) -> _Reach:
    return _Reach(tiers.id_map.items.slots_of(passed.numbers))


def _check(tiers: Tiers, query: Query) -> None:
    dimension = tiers.generation.dimension
    if query.vector.shape != (dimension,):
        raise InputError(f"the vector must have {dimension} numbers, not shape {query.vector.shape}", code="bad_vector")
    # One number tells of all: that of a unit vector does not overflow, and what is not finite stays so.
    if not math.isfinite(query.vector.dot(query.vector)):
        raise InputError("the vector must be finite", code="bad_vector")
    if query.k < 1:
        raise InputError(f"k must be at least 1, not {query.k}", code="bad_k")


def _eligible_of(tiers: Tiers, view: BufferView, passed: Passed | None) -> BoolArray:
    if not len(view.hidden):
        return view.hidden
    shown = ~view.hidden
    return shown if passed is None else shown & shown_by(view.ordinals, passed.numbers, tiers.id_map)


def _taken_up_since(tiers: Tiers, count: int, vector: Float32Array) -> tuple[Candidates, int]:
    """The pictures that items with others took up since there were so many, and how many there are now."""
    if tiers.taken_up_count == count:
        return NOTHING, count
    with tiers.lock:
        ordinals, looked_at = list(dict.fromkeys(tiers.taken_up_since(count))), tiers.taken_up_count
    rows = {o: found[0] for o in ordinals if (found := tiers.vectors_of([o])) is not None}
    if not rows:
        return NOTHING, looked_at
    scores = final_scores(np.stack(list(rows.values())), vector)
    return Candidates(list(zip(scores, rows, strict=True)), True), looked_at


def _name_items(tiers: Tiers, query: Query, scored: list[tuple[float, int]]) -> list[FoundItem]:
    """The k best items behind these pictures, best first, as they are now; the lock is held."""
    items, pictures = tiers.id_map.items, tiers.id_map.pictures
    more, findable = pictures.more_owners, items.findable.values.item
    found: dict[int, FoundItem] = {}
    asked = query.wanted is not None or query.exclude is not None
    last_score = 0.0
    for score, ordinal in sorted(scored, key=SCORE, reverse=True):
        if score < last_score and len(found) >= query.k:
            break
        owner = pictures.shown_by(ordinal)
        if owner is None:
            continue
        slot = ordinal & SLOT_MASK
        for number in (owner, *more[slot]) if slot in more else (owner,):
            if number in found or not findable(number):
                continue
            item = FoundItem(items.ids[number], score, items.attributes[number])
            if not asked or _passes(item, query):
                found[number] = item
                last_score = score
    return sorted(found.values(), key=_best_first)[: query.k]


def _passes(item: FoundItem, query: Query) -> bool:
    """Asked of each item again, as it may have changed since the filter was looked up."""
    if item.item_id == query.exclude:
        return False
    return query.wanted is None or matches(query.wanted, msgspec.json.decode(item.attributes))


def _best_first(item: FoundItem) -> tuple[float, str]:
    return -item.score, item.item_id
