"""The loss of a batch: the weighted sum of a recipe's objectives."""

from collections.abc import Callable, Mapping
from typing import Any

from embedder.training.losses import info_nce, supervised_contrastive, triplet_hard, triplet_semi_hard
from embedder.training.recipe import LossName, Positives, Recipe

Tensor = Any
_BY_TEMPERATURE: dict[LossName, Callable[[Tensor, Tensor, float], Tensor]] = {
    "supcon": supervised_contrastive,
    "infonce": info_nce,
}
_BY_MARGIN: dict[LossName, Callable[[Tensor, Tensor, float], Tensor]] = {
    "triplet-hard": triplet_hard,
    "triplet-semi-hard": triplet_semi_hard,
}


def batch_loss(recipe: Recipe, vectors: Tensor, labels: Mapping[Positives, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """The loss of unit vectors (n, dimension) float32 with their labels (n,) by positives, and each term's value."""
    total = vectors.sum() * 0.0
    terms: dict[str, float] = {}
    for one in recipe.objectives:
        if one.loss in _BY_TEMPERATURE:
            term = _BY_TEMPERATURE[one.loss](vectors, labels[one.positives], recipe.temperature)
        else:
            term = _BY_MARGIN[one.loss](vectors, labels[one.positives], recipe.margin)
        terms[one.said] = float(term.detach())
        total = total + one.weight * term
    return total, terms
