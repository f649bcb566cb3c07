"""What is to be trained on, and where the result goes: the flags of `lookalive train`."""

from pathlib import Path

import msgspec

from embedder.training.recipe import Recipe
from ops.evaluation.plan import EvaluationPlan, Split


class TrainingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """`share`, `split` and `seed` hold out the same pictures as `lookalive evaluate` does with them; `validation` is
    the share of the rest that epochs are judged by."""

    source: Path
    out: Path
    recipe: Recipe
    category: str = "category"
    group: str = "group_id"
    share: float = 0.2
    split: Split = "auto"
    seed: int = 1
    validation: float = 0.1
    restart: bool = False

    @property
    def state(self) -> Path:
        """The file from which a run that was cut short goes on."""
        return self.out.with_name(self.out.name + ".state")

    @property
    def report(self) -> Path:
        """The report's file."""
        return self.out.with_suffix(".json")

    def as_evaluation(self) -> EvaluationPlan:
        """How an evaluation reads and divides the same source."""
        return EvaluationPlan(
            source=self.source,
            category=self.category,
            group=self.group,
            share=self.share,
            split=self.split,
            seed=self.seed,
        )
