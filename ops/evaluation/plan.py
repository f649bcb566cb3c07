"""What is to be evaluated, by what, and how: the flags of `lookalive evaluate`."""

from pathlib import Path
from typing import Literal

import msgspec

from embedder.evaluation.rank_measures import Gain

Split = Literal["auto", "group", "time"]
Gallery = Literal["held-out", "rest", "all"]


class EvaluationPlan(msgspec.Struct, frozen=True, kw_only=True):
    """`model` and `baseline` are as `ops.evaluation.model_choice` reads them; `gallery` None means the usual one."""

    source: Path
    model: str | None = None
    baseline: str | None = None
    judgements: Path | None = None
    category: str = "category"
    group: str = "group_id"
    popularity: str | None = None
    category_grade: int = 1
    group_grade: int = 5
    relevant_from: int = 1
    gain: Gain = "exponential"
    share: float = 0.2
    split: Split = "auto"
    gallery: Gallery | None = None
    most_queries: int | None = None
    depths: tuple[int, ...] = (1, 5, 10)
    robustness: bool = False
    changed_pictures: int = 200
    resamples: int = 2000
    level: float = 0.95
    seed: int = 1
    at_least: tuple[str, ...] = ()
    page: Path | None = None
    sheets: int = 12
