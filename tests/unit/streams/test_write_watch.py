"""Offsets that nobody acknowledged are another writer's, in whatever order the others were acknowledged."""

from hypothesis import given
from hypothesis import strategies as st

from streams.write_watch import CHUNK, Stretch, WriteWatch


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 1000), st.randoms(use_true_random=False))
def test_exactly_the_offsets_of_others_are_named(own: list[bool], begin: int, rng: object) -> None:
    watch = WriteWatch()
    watch.begin(3, begin)
    offsets = [begin + n for n, mine in enumerate(own) if mine]
    rng.shuffle(offsets)  # type: ignore[attr-defined]
    cut = len(offsets) // 2
    named: list[int] = []
    for part in (offsets[:cut], offsets[cut:]):
        for offset in part:
            watch.wrote(3, offset)
    end = begin + len(own)
    for _ in range(3):
        for stretch in watch.others({3: end}):
            assert stretch.partition == 3
            named += range(stretch.begin, stretch.end)
    assert named == [begin + n for n, mine in enumerate(own) if not mine]


def test_what_is_still_to_be_acknowledged_is_given_time() -> None:
    watch = WriteWatch()
    watch.begin(0, 5)
    watch.wrote(0, 5)
    assert watch.others({0: 9}) == []
    watch.wrote(0, 6)
    watch.wrote(0, 7)
    assert watch.others({0: 12}) == [Stretch(0, 8, 9)]
    watch.wrote(0, 9)
    watch.wrote(0, 11)
    assert watch.others({0: 12}) == [Stretch(0, 10, 11)]
    assert watch.others({0: 12}) == []


def test_nothing_is_agreed_on_past_what_is_not_settled() -> None:
    watch = WriteWatch()
    assert watch.agreed(0) is None
    watch.begin(0, 5)
    watch.wrote(0, 5)
    watch.wrote(0, 9)
    assert watch.agreed(0) == 6
    (stretch,) = watch.others({0: 10}) + watch.others({0: 10})
    assert (stretch, watch.agreed(0)) == (Stretch(0, 6, 9), 6)
    watch.settle(stretch)
    assert watch.agreed(0) == 10


def test_long_stretches_are_cut() -> None:
    watch = WriteWatch()
    watch.begin(0, 0)
    end = 2 * CHUNK + 1
    cut = watch.others({0: end}) + watch.others({0: end})
    assert cut == [Stretch(0, 0, CHUNK), Stretch(0, CHUNK, 2 * CHUNK), Stretch(0, 2 * CHUNK, end)]


def test_a_partition_that_was_given_away_is_not_watched() -> None:
    watch = WriteWatch()
    watch.begin(0, 0)
    watch.end(0)
    watch.wrote(0, 4)
    assert watch.partitions == set()
    assert watch.others({0: 9}) + watch.others({0: 9}) == []
