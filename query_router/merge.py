"""Merging: the best items of a catalogue from the best items of its shards."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.queries import ShardHits


class Candidate(NamedTuple):
    """An item some shard found: its cosine similarity, and its attributes as JSON where they were asked for."""

    item_id: str
    score: float
    attributes: bytes | None


def merge(answers: Iterable[ShardHits]) -> list[Candidate]:
    """Every item found, once, with its best score; best first, ties by item_id.

    An item repeats when it was searched by several vectors, or when a replica was asked twice. The sort is Timsort,
    which finds the shards' sorted runs and merges them. A product of unit vectors may pass 1 by rounding; a cosine does
    not, so scores are cut to -1..1.
    """
    best: dict[str, Candidate] = {}
    for answer in answers:
        for item_id, raw_score, attributes in answer.hits:
            score = min(max(raw_score, -1.0), 1.0)
            held = best.get(item_id)
            if held is None or score > held.score:
                best[item_id] = Candidate(item_id, score, attributes)
    return sorted(best.values(), key=lambda c: (-c.score, c.item_id))


def page(candidates: Sequence[Candidate], min_score: float | None, offset: int, k: int) -> list[Candidate]:
    """Those of a merged list that a caller asked for: at least `min_score`, then from `offset` on, at most `k`."""
    passing = candidates if min_score is None else [c for c in candidates if c.score >= min_score]
    return list(passing[offset : offset + k])


def unknown_to_all(answers: Sequence[ShardHits]) -> list[str]:
    """The filtered attributes that every answering shard says no item has; none when no shard answered."""
    if not answers:
        return []
    return sorted(set.intersection(*(set(a.unknown_attributes) for a in answers)))
