"""Who is held out: whole products, the same ones again, in whatever order the catalogue comes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embedder.evaluation.held_out import group_key, held_out_by_group, held_out_by_time

GROUPS = st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=60)
SHARES = st.floats(0, 1)


@given(groups=GROUPS, share=SHARES, seed=st.integers(0, 5))
def test_products_stay_together_and_the_share_is_met(groups: list[str], share: float, seed: int) -> None:
    marks = held_out_by_group(groups, share, seed)
    assert all(len({bool(m) for m, g in zip(marks, groups, strict=True) if g == group}) == 1 for group in groups)
    largest = max(groups.count(group) for group in groups)
    wanted = round(share * len(groups))
    assert wanted <= marks.sum() < wanted + largest or wanted == marks.sum() == 0


@given(groups=GROUPS, share=SHARES, data=st.data())
def test_the_order_of_the_catalogue_does_not_matter(groups: list[str], share: float, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(groups))))
    marks = held_out_by_group(groups, share, 1)
    again = held_out_by_group([groups[place] for place in order], share, 1)
    assert again.tolist() == marks[order].tolist()


def test_a_catalogue_that_grows_keeps_nearly_all_of_who_is_held_out() -> None:
    names = [f"item {number}" for number in range(2000)]
    before = {n for n, m in zip(names, held_out_by_group(names[:1800], 0.2, 1), strict=False) if m}
    after = {n for n, m in zip(names, held_out_by_group(names, 0.2, 1), strict=True) if m}
    assert len(before) == 360
    assert len(before - after) < 40
    assert held_out_by_group(names, 0.2, 2).tolist() != held_out_by_group(names, 0.2, 1).tolist()


def test_the_newest_products_are_held_out_by_time() -> None:
    groups = ["old", "new", "old", "newest", "timeless"]
    times = [10, 20, 99, 30, None]
    assert held_out_by_time(groups, times, 0.4).tolist() == [False, True, False, True, False]
    assert held_out_by_time(groups, times, 1.0).all()


def test_an_item_and_a_product_of_one_name_are_two() -> None:
    assert group_key("a", None) != group_key("b", "a")
    assert np.unique([group_key("a", "g"), group_key("b", "g")]).size == 1
