"""Laws that every measure of rankings keeps, whatever the grades."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embedder.evaluation.rank_measures import (
    Grades,
    average_precision,
    hit_at,
    ndcg_at,
    precision_at,
    recall_at,
    reciprocal_rank,
)

MEASURES: dict[str, Callable[[Grades], np.ndarray]] = {
    "precision@3": lambda grades: precision_at(grades, 3),
    "recall@3": lambda grades: recall_at(grades, 3),
    "hit@3": lambda grades: hit_at(grades, 3),
    "reciprocal rank": reciprocal_rank,
    "average precision": average_precision,
    "nDCG": ndcg_at,
    "nDCG@3": lambda grades: ndcg_at(grades, 3),
    "nDCG@3, linear": lambda grades: ndcg_at(grades, 3, "linear"),
}
GRADES = arrays(np.int8, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=st.integers(0, 5))
each_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


@each_measure
@given(grades=GRADES)
def test_a_measure_is_between_0_and_1_and_missing_exactly_where_nothing_is_relevant(
    measure: Callable[[Grades], np.ndarray], grades: Grades
) -> None:
    values = measure(grades)
    assert values.shape == (len(grades),)
    assert values.dtype == np.float64
    assert (np.isnan(values) == ~(grades > 0).any(axis=1)).all()
    there = values[~np.isnan(values)]
    assert ((there >= 0) & (there <= 1)).all()


@each_measure
@given(grades=GRADES)
def test_the_best_order_is_worth_as_much_as_any_order_can_be(
    measure: Callable[[Grades], np.ndarray], grades: Grades
) -> None:
    best = np.sort(grades, axis=1)[:, ::-1]
    assert not (measure(grades) > measure(best) + 1e-12).any()


@given(grades=GRADES)
def test_a_perfect_ranking_is_1(grades: Grades) -> None:
    best = np.sort(grades, axis=1)[:, ::-1]
    relevant = (best > 0).any(axis=1)
    for measure in (average_precision, reciprocal_rank, ndcg_at, lambda g: recall_at(g, g.shape[1])):
        assert measure(best)[relevant] == pytest.approx(1.0)


@each_measure
@given(grades=GRADES, zeros=st.integers(0, 5))
def test_what_is_irrelevant_and_last_changes_nothing(
    measure: Callable[[Grades], np.ndarray], grades: Grades, zeros: int
) -> None:
    longer = np.hstack([grades, np.zeros((len(grades), zeros), dtype=np.int8)])
    np.testing.assert_allclose(measure(longer), measure(grades), rtol=0, atol=1e-12)


@each_measure
@given(grades=GRADES, data=st.data())
def test_queries_do_not_know_of_each_other(
    measure: Callable[[Grades], np.ndarray], grades: Grades, data: st.DataObject
) -> None:
    order = np.array(data.draw(st.permutations(range(len(grades)))), dtype=np.int64)
    np.testing.assert_allclose(measure(grades[order]), measure(grades)[order], rtol=0, atol=1e-12)


@each_measure
@given(grades=GRADES, place=st.integers(0, 10))
def test_a_better_item_one_rank_higher_never_costs(
    measure: Callable[[Grades], np.ndarray], grades: Grades, place: int
) -> None:
    place = place % max(grades.shape[1] - 1, 1)
    swapped = grades.copy()
    swapped[:, place : place + 2] = np.sort(grades[:, place : place + 2], axis=1)[:, ::-1]
    assert not (measure(swapped) < measure(grades) - 1e-12).any()


@given(grades=GRADES, data=st.data())
def test_the_order_of_equal_grades_does_not_matter(grades: Grades, data: st.DataObject) -> None:
    depth = data.draw(st.integers(1, grades.shape[1]))
    head = data.draw(st.permutations(range(depth)))
    shuffled = grades.copy()
    shuffled[:, :depth] = grades[:, head]
    for measure in (precision_at, recall_at, hit_at):
        np.testing.assert_array_equal(measure(shuffled, depth), measure(grades, depth))


def test_small_rankings_by_hand() -> None:
    grades = np.array([[0, 3, 0, 1], [0, 0, 0, 0]], dtype=np.int8)
    assert precision_at(grades, 2)[0] == 1 / 2
    assert precision_at(grades, 8)[0] == 2 / 8  # a short ranking has nothing behind its end
    assert recall_at(grades, 2)[0] == 1 / 2
    assert hit_at(grades, 1)[0] == 0
    assert reciprocal_rank(grades)[0] == 1 / 2
    assert average_precision(grades)[0] == (1 / 2 + 2 / 4) / 2
    found, best = 7 / np.log2(3) + 1 / np.log2(5), 7 + 1 / np.log2(3)
    assert ndcg_at(grades)[0] == pytest.approx(found / best, abs=1e-12)
    assert all(np.isnan(measure(grades)[1]) for measure in MEASURES.values())


def test_relevance_may_begin_at_a_higher_grade() -> None:
    grades = np.array([[1, 3, 2]], dtype=np.int8)
    assert reciprocal_rank(grades, relevant_from=3)[0] == 1 / 2
    assert average_precision(grades, relevant_from=2)[0] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert np.isnan(precision_at(grades, 1, relevant_from=4)[0])
