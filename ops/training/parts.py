"""Which pictures a model is trained on, which its epochs are judged by, and which it never sees."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ops.evaluation.division import held_out_marks, splits_by_time
from ops.evaluation.pictures import Picture
from ops.training.plan import TrainingPlan
from schemas.errors import InputError

IntArray = npt.NDArray[np.int64]
MOST_VALIDATION = 2000
"""Pictures that epochs are judged by at most: more say little more, and must fit in memory prepared."""


class Parts(NamedTuple):
    """Rows of the pictures (each an int64 array, in order): for training, for validation, and held out."""

    split: Literal["group", "time"]
    training: IntArray
    validation: IntArray
    held_out: IntArray


def parts_of(pictures: Sequence[Picture], plan: TrainingPlan) -> Parts:
    """The held-out pictures are those of an evaluation with the same share, split and seed; validation is drawn from
    the rest in the same way, so that no product is in two parts.

    Raises:
        InputError: nothing is left to train on.
    """
    by_time = splits_by_time(pictures, plan.split)
    held_out = held_out_marks(pictures, plan.share, plan.seed, by_time=by_time)
    rest = np.flatnonzero(~held_out)
    share = min(plan.validation, MOST_VALIDATION / max(len(rest), 1))
    chosen = held_out_marks([pictures[row] for row in rest.tolist()], share, plan.seed, by_time=by_time)
    training, validation = rest[~chosen], rest[chosen]
    if not len(training):
        raise InputError(
            f"no picture is left to train on: {plan.source} has {len(pictures)}, of which --share {plan.share:g} are "
            f"held out and --validation {plan.validation:g} of the rest judge the epochs"
        )
    return Parts("time" if by_time else "group", training, validation, np.flatnonzero(held_out))
