"""`lookalive evaluate`: how well a model finds what is relevant, alone or beside another one."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.console import err, print_json, speak_aside, spoken_errors
from schemas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.evaluation.evaluating import Evaluation
    from ops.evaluation.plan import EvaluationPlan
    from schemas.settings import Settings

INTERRUPTED = 130
DEPTHS = (1, 5, 10)
MODELS = "as LOOKALIVE_MODEL__NAME has it, NAME=CHECKPOINT, or generation:NAME of the system that runs"


class Split(StrEnum):
    """How pictures are held out."""

    AUTO = "auto"
    GROUP = "group"
    TIME = "time"


class Gallery(StrEnum):
    """Whom queries search among."""

    HELD_OUT = "held-out"
    REST = "rest"
    ALL = "all"


class Gain(StrEnum):
    """What a grade is worth to nDCG."""

    EXPONENTIAL = "exponential"
    LINEAR = "linear"


Source = Annotated[
    Path, typer.Argument(help="a folder of pictures (sub-folders are categories), .csv, .jsonl or .parquet")
]
Model = Annotated[str | None, typer.Option(help=f"the model: {MODELS}; without it, that of the settings")]
Baseline = Annotated[str | None, typer.Option(help="another model beside it, named in the same way")]
JudgementFile = Annotated[
    Path | None, typer.Option(help="query_id, item_id, grade (0 to 5) as .csv or .jsonl, instead of categories")
]
Category = Annotated[str, typer.Option(help="the column whose equals are relevant")]
Group = Annotated[str, typer.Option(help="the column of the parent product: relevant too, and never split")]
Popularity = Annotated[str | None, typer.Option(help="a column of numbers; without it, the category's frequency")]
CategoryGrade = Annotated[int, typer.Option(min=0, max=5, help="grade of the same category")]
GroupGrade = Annotated[int, typer.Option(min=0, max=5, help="grade of the same product")]
RelevantFrom = Annotated[int, typer.Option(min=1, max=5, help="the grade from which on an item is relevant")]
GainFlag = Annotated[Gain, typer.Option(help="what grade g is worth to nDCG: 2^g - 1, or g")]
Share = Annotated[float, typer.Option(min=0.0, max=1.0, help="of the pictures are held out; 1: all ask and are found")]
SplitFlag = Annotated[Split, typer.Option(help="time: the newest; group: drawn; auto: time where all have event_time")]
GalleryFlag = Annotated[
    Gallery | None, typer.Option(help="what queries search among; held-out, or all with --judgements, unless set")
]
Queries = Annotated[int | None, typer.Option("--queries", min=1, help="ask so many at most, drawn by the seed")]
Depths = Annotated[list[int] | None, typer.Option("-k", min=1, max=1000, help="a depth of the measures; repeat")]
Robustness = Annotated[
    bool, typer.Option("--robustness", help="also: do cropped, mirrored, recompressed, lit pictures find themselves?")
]
Changed = Annotated[int, typer.Option("--changed", min=2, help="pictures to change for --robustness, at most")]
Resamples = Annotated[int, typer.Option(min=100, max=100_000, help="of the queries, for the intervals")]
Level = Annotated[float, typer.Option(min=0.5, max=0.999, help="of the intervals")]
Seed = Annotated[int, typer.Option(min=0, help="another seed holds out, draws and resamples others")]
AtLeast = Annotated[
    list[str] | None,
    typer.Option(help="mAP=0.2, rare:mAP=0.1 or, of the ratio, mAP=1.5x: exit status 1 when it is less; repeat"),
]
Page = Annotated[Path | None, typer.Option(help="also write the report with pictures, as one HTML file")]
Sheets = Annotated[int, typer.Option(min=0, max=200, help="queries whose neighbours the page shows")]
JsonFlag = Annotated[bool, typer.Option("--json", help="print JSON for scripts")]


def evaluate(
    source: Source,
    model: Model = None,
    baseline: Baseline = None,
    judgements: JudgementFile = None,
    category: Category = "category",
    group: Group = "group_id",
    popularity: Popularity = None,
    category_grade: CategoryGrade = 1,
    group_grade: GroupGrade = 5,
    relevant_from: RelevantFrom = 1,
    gain: GainFlag = Gain.EXPONENTIAL,
    share: Share = 0.2,
    split: SplitFlag = Split.AUTO,
    gallery: GalleryFlag = None,
    most_queries: Queries = None,
    depths: Depths = None,
    robustness: Robustness = False,
    changed_pictures: Changed = 200,
    resamples: Resamples = 2000,
    level: Level = 0.95,
    seed: Seed = 1,
    at_least: AtLeast = None,
    page: Page = None,
    sheets: Sheets = 12,
    as_json: JsonFlag = False,
) -> None:
    """Judge a model by the held-out pictures of SOURCE: recall, precision, MRR, mAP and nDCG, with intervals."""
    flags = locals()
    from ops.cli import read_settings

    settings = read_settings()
    with spoken_errors(as_json):
        plan = make_plan(flags)
        done = _run(settings, plan)
    _show(done, plan, as_json)


def make_plan(flags: "Mapping[str, Any]") -> "EvaluationPlan":
    """The plan of the command's parameters, by their names.

    Raises:
        InputError: flags contradict each other, or the page cannot be written where it is wanted.
    """
    from ops.evaluation.plan import EvaluationPlan

    depths = tuple(sorted(set(flags["depths"] or DEPTHS)))
    several: dict[str, Any] = {"at_least": tuple(flags["at_least"] or ()), "depths": depths}
    single = {name: value for name, value in flags.items() if name not in ("as_json", *several)}
    plan = EvaluationPlan(**single, **several)
    if plan.page is not None and (plan.page.is_dir() or not plan.page.absolute().parent.is_dir()):
        raise InputError(f"--page {plan.page}: name a file in a folder that is there")
    if plan.relevant_from > max(plan.category_grade, plan.group_grade) and plan.judgements is None:
        raise InputError(f"--relevant-from {plan.relevant_from} is above every grade: nothing could be relevant")
    return plan


def _run(settings: "Settings", plan: "EvaluationPlan") -> "Evaluation":
    from ops.evaluation.evaluating import evaluate as run
    from ops.evaluation.progress import shown_stage

    try:
        done = run(settings, plan, shown_stage)
        if plan.page is not None:
            from ops.evaluation.page import write_page

            write_page(settings, plan.page, done, plan.sheets)
    except KeyboardInterrupt:
        err.print("stopped; vectors made so far are kept, so that the same command goes on from them", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    return done


def _show(done: "Evaluation", plan: "EvaluationPlan", as_json: bool) -> None:
    from ops.evaluation.tables import show_report

    if as_json:
        print_json(done.report)
    else:
        show_report(done.report)
    if plan.page is not None:
        speak_aside(f"the report with pictures: {plan.page}")
    raise typer.Exit(0 if done.report.holds else 1)
