"""A column of texts keeps each as it was last set, whatever its neighbours became."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index_shards.texts import MOST_BYTES, TextColumn


@given(st.lists(st.tuples(st.integers(0, 9), st.text(max_size=40)), max_size=60))
def test_as_it_was_last_set(changes: list[tuple[int, str]]) -> None:
    column, wanted = TextColumn(), [""] * 10
    column.reach(10)
    for number, text in changes:
        column[number] = wanted[number] = text
        assert list(column) == wanted
    assert len(column) == 10


def test_texts_of_one_length_take_the_room_of_those_before() -> None:
    column = TextColumn()
    column.reach(3000)
    for round_ in range(20):
        for number in range(3000):
            column[number] = f"sku-{round_:03d}-{number:05d}"
            column[number] = column[number] if number % 3 else ""
    assert len(column._bytes) == 3000 * 16
    assert [column[n] for n in (0, 2999)] == ["", "sku-019-02999"]


def test_the_longest() -> None:
    column = TextColumn()
    column.reach(2)
    column[0], column[1] = "ü" * (MOST_BYTES // 2), "after"
    assert (column[0], column[1]) == ("ü" * (MOST_BYTES // 2), "after")
    with pytest.raises(ValueError, match=f"at most {MOST_BYTES}"):
        column[0] = "x" * (MOST_BYTES + 1)
