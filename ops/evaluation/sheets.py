"""Sheets of nearest neighbours: queries that went badly, so and so, and well, with what each model found first."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from embedder.evaluation.retrieval import NOT_THERE, Judged
from ops.evaluation.pictures import Picture
from ops.evaluation.world import World

IntArray = npt.NDArray[np.int64]


def chosen_queries(precision: npt.NDArray[np.float64], count: int, seed: int) -> IntArray:
    """Rows of queries for the sheets: a third of the worst by average precision (q,), a third of the best, the rest
    drawn from between; worst first, queries without a value left away."""
    order = np.argsort(precision, kind="stable")
    order = order[: np.count_nonzero(~np.isnan(precision))]
    if len(order) <= count:
        return order
    third = count // 3
    middle = order[third : len(order) - third]
    places = np.random.default_rng(seed).choice(len(middle), count - 2 * third, replace=False)
    return np.concatenate([order[:third], middle[np.sort(places)], order[len(order) - third :]])


def shown_rows(world: World, judged: Sequence[Judged], queries: IntArray) -> list[int]:
    """The rows of all pictures that the sheets of these queries show."""
    found = [one.nearest[queries].ravel() for one in judged]
    rows = np.concatenate([world.queries[queries], *found])
    return [int(row) for row in np.unique(rows[rows != NOT_THERE])]


def sheet(
    world: World,
    judged: Sequence[Judged],
    names: Sequence[str],
    query: int,
    pictures: Mapping[str, str],
    relevant_from: int,
) -> str:
    """The HTML of one query: its picture, and a line of neighbours per model."""
    asked = world.pictures[int(world.queries[query])]
    lines = []
    for one, name in zip(judged, names, strict=True):
        found = "".join(
            _neighbour(world.pictures[row], rank, score, grade, pictures, relevant_from)
            for rank, (row, score, grade) in enumerate(
                zip(one.nearest[query].tolist(), one.scores[query].tolist(), one.grades[query].tolist(), strict=True), 1
            )
            if row != NOT_THERE
        )
        precision = float(one.values[query, one.names.index("mAP")])
        said = f"<p class='by'>{escape(name)} <span>average precision {precision:.3f}</span></p>"
        lines.append(f"{said}<ol class='found'>{found}</ol>")
    label = escape(_label(asked))
    caption = f"<figcaption>{label}</figcaption>"
    return (
        f"<article class='sheet'><figure class='query'>{_image(asked, pictures)}{caption}</figure>"
        f"<div>{''.join(lines)}</div></article>"
    )


def _neighbour(
    picture: Picture, rank: int, score: float, grade: int, pictures: Mapping[str, str], relevant_from: int
) -> str:
    """Relevant or not is said by sign, words and the kind of line, never by colour alone."""
    right = grade >= relevant_from
    kind, sign = ("right", f"✓ grade {grade}") if right else ("wrong", "✗ not relevant")
    return (
        f"<li class='{kind}'>{_image(picture, pictures)}<span class='sign'>{sign}</span>"
        f"<span class='score'>{score:.3f}</span><span class='name'>{escape(_label(picture))}</span></li>"
    )


def _image(picture: Picture, pictures: Mapping[str, str]) -> str:
    url = pictures.get(picture.ref)
    if url is None:
        return "<span class='gone'>no longer there</span>"
    return f"<img src='{url}' alt='{escape(_label(picture), quote=True)}'>"


def _label(picture: Picture) -> str:
    return picture.name if picture.category is None else f"{picture.category}: {picture.name}"
