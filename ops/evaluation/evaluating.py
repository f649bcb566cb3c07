"""An evaluation from its plan to its report: read, divide, embed, judge, resample."""

import time
from typing import NamedTuple

import numpy as np

from embedder.evaluation.comparison import Resampling, figures
from embedder.evaluation.retrieval import Judged, judge
from embedder.models.base import Encoder
from ops.evaluation.changed_pictures import robustness_rows
from ops.evaluation.division import Division, divide
from ops.evaluation.embedding import Job, Vectors, embed_jobs
from ops.evaluation.judgement_file import read_judgements
from ops.evaluation.model_choice import ModelChoice, choose_model, load_choice
from ops.evaluation.pictures import Catalogue, read_catalogue
from ops.evaluation.plan import EvaluationPlan
from ops.evaluation.progress import Stage
from ops.evaluation.report import ModelReport, Report, Row, Setting, row_of
from ops.evaluation.thresholds import judge_thresholds, parse_threshold
from ops.evaluation.world import World, make_world
from schemas.settings import Settings

NAMED_LEFT_OUT = 10
NEIGHBOURS_SHOWN = 6


class Tried(NamedTuple):
    """A model, and the vectors it made of the pictures that were needed."""

    choice: ModelChoice
    encoder: Encoder
    vectors: Vectors
    report: ModelReport


class Evaluation(NamedTuple):
    """The report, and what a page shows beside it: the pictures, and what each model found for each query."""

    report: Report
    world: World
    judged: list[Judged]


def evaluate(settings: Settings, plan: EvaluationPlan, stage: Stage) -> Evaluation:
    """Judge the plan's model, beside its baseline where it names one.

    Raises:
        InputError: the source, a flag or a file cannot be used; the message says what to do.
        SettingsError: a model cannot be loaded.
    """
    begun = time.perf_counter()
    thresholds = [parse_threshold(text, has_baseline=plan.baseline is not None) for text in plan.at_least]
    named = [plan.model] if plan.baseline is None else [plan.model, plan.baseline]
    choices = [choose_model(text, settings) for text in named]
    judgements = None if plan.judgements is None else read_judgements(plan.judgements)
    catalogue = read_catalogue(plan)
    division = divide(catalogue.pictures, plan, judgements)
    needed = np.union1d(division.queries, division.gallery)
    jobs = [Job(catalogue.pictures[row].ref, catalogue.pictures[row].name) for row in needed.tolist()]
    tried = [_try(settings, choice, jobs, plan, stage) for choice in choices]
    world = make_world(catalogue.pictures, division, needed, [one.vectors for one in tried], plan, judgements)
    judged = [_judge(world, number, one, plan, stage) for number, one in enumerate(tried)]
    with stage("intervals", 1) as done:
        rows = _rows(world, judged, plan)
        done(1)
    if plan.robustness:
        rows += robustness_rows(settings, plan, world, [(one.choice, one.encoder) for one in tried], stage)
    without = int(np.isnan(judged[0].values).all(axis=1).sum())
    report = Report(
        setting=_setting(catalogue, division, world, plan, without),
        model=tried[0].report,
        baseline=tried[1].report if len(tried) > 1 else None,
        rows=rows,
        bounds=judge_thresholds(thresholds, rows),
        took_s=time.perf_counter() - begun,
    )
    return Evaluation(report, world, judged)


def _try(settings: Settings, choice: ModelChoice, jobs: list[Job], plan: EvaluationPlan, stage: Stage) -> Tried:
    begun = time.perf_counter()
    encoder = load_choice(choice)
    loaded = time.perf_counter()
    with stage(f"embedding with {choice.said}", len(jobs)) as done:
        vectors = embed_jobs(settings, choice.settings, encoder, jobs, plan.seed, lambda: done(1))
    report = ModelReport(
        said=choice.said,
        name=encoder.name,
        checkpoint=choice.settings.checkpoint,
        fingerprint=encoder.fingerprint,
        dimension=encoder.dimension,
        vectors=len(jobs) - len(vectors.refused),
        cached=vectors.cached,
        load_s=loaded - begun,
        embed_s=time.perf_counter() - loaded,
    )
    return Tried(choice, encoder, vectors, report)


def _judge(world: World, number: int, one: Tried, plan: EvaluationPlan, stage: Stage) -> Judged:
    with stage(f"ranking with {one.choice.said}", len(world.queries)) as done:
        return judge(world.vectors[number], world.judging(plan, NEIGHBOURS_SHOWN), done)


def _rows(world: World, judged: list[Judged], plan: EvaluationPlan) -> list[Row]:
    how = Resampling(world.clusters, plan.resamples, plan.seed, plan.level)
    baseline = judged[1].values if len(judged) > 1 else None
    return [row_of(one) for one in figures(judged[0].names, judged[0].values, baseline, world.parts, how)]


def _setting(
    catalogue: Catalogue, division: Division, world: World, plan: EvaluationPlan, without_relevant: int
) -> Setting:
    left_out = catalogue.bad_rows + world.left_out
    return Setting(
        source=str(plan.source),
        pictures=len(catalogue.pictures),
        held_out=division.held_out,
        split=division.split,
        share=plan.share,
        seed=plan.seed,
        queries=len(world.queries),
        gallery=len(world.gallery),
        gallery_kind=division.gallery_kind,
        without_relevant=without_relevant,
        left_out_count=len(left_out),
        left_out=left_out[:NAMED_LEFT_OUT],
        judgements=None if plan.judgements is None else str(plan.judgements),
        gain=plan.gain,
        category_grade=plan.category_grade,
        group_grade=plan.group_grade,
        relevant_from=plan.relevant_from,
        level=plan.level,
        resamples=plan.resamples,
    )
