"""What an evaluation says: for scripts as JSON, for people as tables."""

import math

import msgspec

from embedder.evaluation.bootstrap import Estimate
from embedder.evaluation.comparison import Figure

ALL, POPULAR, RARE, ROBUSTNESS, CATEGORY = "all", "popular", "rare", "robustness", "category="


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with its confidence interval; None where nothing can be said."""

    value: float | None
    low: float | None
    high: float | None

    def words(self) -> str:
        """`0.213 [0.205, 0.221]`."""
        if self.value is None:
            return "-"
        ends = "" if self.low is None or self.high is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{ends}"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One measure over a part of the queries; the last four are None without a baseline.

    `part` is all, popular, rare, category=<its name> or robustness. `difference` and `ratio` are paired: of the same
    queries. `apart` says that the intervals of model and baseline do not touch.
    """

    part: str
    measure: str
    queries: int
    model: Interval
    baseline: Interval | None = None
    difference: Interval | None = None
    ratio: Interval | None = None
    apart: bool | None = None

    @property
    def key(self) -> str:
        """How a threshold names it."""
        return self.measure if self.part in (ALL, ROBUSTNESS) else f"{self.part}:{self.measure}"


class ModelReport(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was judged; `embed_s` is how long its vectors took, of which `cached` were known already."""

    said: str
    name: str
    checkpoint: str
    fingerprint: str
    dimension: int
    vectors: int
    cached: int
    load_s: float
    embed_s: float


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold that was asked for; with `of` ratio it is about model / baseline."""

    measure: str
    of: str
    at_least: float
    value: float | None
    holds: bool


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures are about.

    `queries` asked and `gallery` could be found, of `pictures` in the source, of which `held_out` are held out by
    `split`. `without_relevant` queries have nothing relevant in the gallery: they have no figures and are in no mean.
    `left_out` names the first pictures and rows that could not be read.
    """

    source: str
    pictures: int
    held_out: int
    split: str
    share: float
    seed: int
    queries: int
    gallery: int
    gallery_kind: str
    without_relevant: int
    left_out_count: int
    left_out: list[str]
    judgements: str | None
    gain: str
    category_grade: int
    group_grade: int
    relevant_from: int
    level: float
    resamples: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of `lookalive evaluate --json`; bounds are about `model`, `baseline` stands beside it."""

    setting: Setting
    model: ModelReport
    baseline: ModelReport | None
    rows: list[Row]
    bounds: list[Bound]
    took_s: float

    def of_part(self, part: str) -> list[Row]:
        """The rows of one part."""
        return [row for row in self.rows if row.part == part]

    @property
    def parts(self) -> list[str]:
        """The parts of which there is a query with a figure, robustness left away, in order."""
        asked = [row.part for row in self.rows if row.queries and row.part != ROBUSTNESS]
        return list(dict.fromkeys([ALL, *asked]))

    @property
    def holds(self) -> bool:
        """Whether every threshold is kept."""
        return all(bound.holds for bound in self.bounds)


def row_of(figure: Figure) -> Row:
    """A figure for the report."""
    return Row(
        part=figure.part,
        measure=figure.measure,
        queries=figure.queries,
        model=_interval(figure.model),
        baseline=None if figure.baseline is None else _interval(figure.baseline),
        difference=None if figure.difference is None else _interval(figure.difference),
        ratio=None if figure.ratio is None else _interval(figure.ratio),
        apart=figure.apart,
    )


def _interval(estimate: Estimate) -> Interval:
    return Interval(value=_finite(estimate.value), low=_finite(estimate.low), high=_finite(estimate.high))


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
