"""The merge equals sorting everything; a page is a window of it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from query_router.merge import merge, page, unknown_to_all
from schemas.queries import ShardHits

scores = st.floats(-1, 1, width=32) | st.sampled_from([0.5, 0.25, 1.0])
hits = st.tuples(st.text(max_size=2), scores, st.none())
answers = st.lists(
    st.lists(hits, max_size=8).map(lambda found: ShardHits(hits=sorted(found, key=lambda h: (-h[1], h[0])))), max_size=6
)


def reference(shards: list[ShardHits]) -> list[tuple[str, float]]:
    """The best score of every id, picked one by one: quadratic, and plainly right."""
    left = {(i, s) for shard in shards for i, s, _ in shard.hits}
    result: list[tuple[str, float]] = []
    while left:
        best = min(left, key=lambda hit: (-hit[1], hit[0]))
        result.append(best)
        left = {hit for hit in left if hit[0] != best[0]}
    return result


@given(answers)
def test_merge_equals_sorting_everything(shards: list[ShardHits]) -> None:
    assert [(c.item_id, c.score) for c in merge(shards)] == reference(shards)


@given(answers, st.randoms())
def test_order_of_shards_does_not_matter(shards: list[ShardHits], random: object) -> None:
    shuffled = list(shards)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merge(shuffled) == merge(shards)


@given(answers, st.none() | st.floats(-1, 1), st.integers(0, 20), st.integers(1, 20))
def test_page_is_a_window(shards: list[ShardHits], min_score: float | None, offset: int, k: int) -> None:
    merged = merge(shards)
    window = page(merged, min_score, offset, k)
    passing = [c for c in merged if min_score is None or c.score >= min_score]
    assert len(window) == max(0, min(k, len(passing) - offset))
    assert window == passing[offset : offset + k]
    assert all((-a.score, a.item_id) < (-b.score, b.item_id) for a, b in pairwise(window))


@given(answers, st.integers(1, 5))
def test_pages_make_up_the_whole(shards: list[ShardHits], k: int) -> None:
    merged = merge(shards)
    pages = [page(merged, None, offset, k) for offset in range(0, len(merged) + k, k)]
    assert [c for one in pages for c in one] == merged


def test_repeated_item_keeps_its_best() -> None:
    shards = [ShardHits(hits=[("a", 0.9, b"1"), ("b", 0.8, b"2")]), ShardHits(hits=[("b", 0.95, b"3")])]
    assert merge(shards) == [("b", 0.95, b"3"), ("a", 0.9, b"1")]


def test_rounding_past_one_is_a_tie_broken_by_id() -> None:
    shards = [ShardHits(hits=[("b", 1.0000001, None)]), ShardHits(hits=[("a", 1.0, None)])]
    assert merge(shards) == [("a", 1.0, None), ("b", 1.0, None)]


def test_attribute_is_unknown_only_when_every_shard_says_so() -> None:
    both, one = ShardHits(hits=[], unknown_attributes=["x", "y"]), ShardHits(hits=[], unknown_attributes=["y"])
    assert unknown_to_all([both, one]) == ["y"]
    assert unknown_to_all([both]) == ["x", "y"]
    assert unknown_to_all([]) == []
