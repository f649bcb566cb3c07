"""Grades by category, by product, and as people judged."""

import numpy as np

from embedder.evaluation.relevance import AttributeRelevance, JudgedRelevance, numbered


def test_the_same_product_outdoes_the_same_category_and_nothing_equals_nothing() -> None:
    categories = numbered(["dress", "dress", "hat", None, None])
    groups = numbered(["a", "b", "a", "c", "d"])
    everyone = np.arange(5)
    grades = AttributeRelevance(categories, groups, 1, 5).grades(everyone[:1], everyone)
    assert grades.tolist() == [[5, 1, 5, 0, 0]]
    assert grades.dtype == np.int8
    assert AttributeRelevance(categories, groups, 1, 5).grades(everyone[3:4], everyone).tolist() == [[0, 0, 0, 5, 0]]


def test_judged_grades_count_for_every_picture_of_an_item() -> None:
    relevance = JudgedRelevance(["q", "a", "a", "b"], {"q": {"a": 4, "unknown": 5}})
    assert relevance.grades(np.array([0, 3]), np.array([1, 2, 3])).tolist() == [[4, 4, 0], [0, 0, 0]]
