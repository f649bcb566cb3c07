"""A recipe: everything that decides, beside the pictures, what training makes."""

from typing import Literal, get_args

import msgspec

from embedder.preprocess import Resize
from embedder.training.augmentation import Augmentation
from schemas.errors import InputError

Positives = Literal["category", "group", "augmentation"]
LossName = Literal["supcon", "infonce", "proxy", "triplet-semi-hard", "triplet-hard"]
Keep = Literal["best", "last"]


class Objective(msgspec.Struct, frozen=True):
    """One term of the loss: whose vectors are positives of each other, which loss they get, and its weight."""

    positives: Positives
    loss: LossName
    weight: float = 1.0

    @property
    def said(self) -> str:
        """As a flag has it, without the weight."""
        return f"{self.positives}:{self.loss}"


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How a model is trained.

    A batch has `per_kind` pictures of each of `kinds` labels of the first objective that goes by labels, or, where
    none does, `kinds * per_kind` pictures; each is seen in `views` views. `hidden` and `dimension` are the widths of
    the projection (`hidden` 0: none). `start` is scratch, hub or a checkpoint's path. `size` and `resize` are how
    pictures are prepared. `temperature` is that of supcon, infonce and proxy, `smoothing` the share of a label that
    proxy spreads over all, `margin` that of triplets. `average` is the decay of the weights' moving average, which is
    what is kept (0: the weights themselves).
    """

    backbone: str = "resnet10t"
    start: str = "scratch"
    size: int = 128
    resize: Resize = "squash"
    hidden: int = 512
    dimension: int = 512
    objectives: tuple[Objective, ...] = (Objective("category", "supcon"), Objective("augmentation", "infonce", 0.5))
    temperature: float = 0.1
    smoothing: float = 0.1
    margin: float = 0.2
    kinds: int = 10
    per_kind: int = 6
    views: int = 2
    epochs: int = 60
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_epochs: float = 3.0
    drop_path: float = 0.0
    average: float = 0.995
    keep: Keep = "best"
    seed: int = 1
    augmentation: Augmentation = Augmentation()

    @property
    def balanced_by(self) -> Positives:
        """Whose labels batches are balanced by; augmentation for none."""
        by_label = (one.positives for one in self.objectives if one.positives != "augmentation")
        return next(by_label, "augmentation")


def parse_objective(text: str) -> Objective:
    """The objective of a flag's text, POSITIVES:LOSS or POSITIVES:LOSS:WEIGHT.

    Raises:
        InputError: it is not of that form.
    """
    positives, _, rest = text.partition(":")
    loss, colon, weight = rest.partition(":")
    try:
        made = {"positives": positives, "loss": loss, "weight": float(weight) if colon else 1.0}
        objective = msgspec.convert(made, Objective)
    except (ValueError, msgspec.ValidationError):
        objective = None
    if objective is None or not 0 < objective.weight < float("inf"):
        raise InputError(
            f"--objective takes POSITIVES:LOSS or POSITIVES:LOSS:WEIGHT, with {', '.join(get_args(Positives))} and "
            f"{', '.join(get_args(LossName))}, as in category:supcon:0.5, not {text!r}"
        )
    return objective
