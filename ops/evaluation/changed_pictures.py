"""The robustness test: cropped, mirrored, compressed and otherwise lit, a picture must still find itself."""

from functools import partial

import numpy as np
import numpy.typing as npt

from embedder.evaluation.comparison import Resampling, figures
from embedder.evaluation.relevance import numbered
from embedder.evaluation.robustness import found_within, ranks_of_originals
from embedder.evaluation.variants import VARIANTS
from embedder.models.base import Encoder
from ops.evaluation.embedding import Job, embed_jobs
from ops.evaluation.model_choice import ModelChoice
from ops.evaluation.plan import EvaluationPlan
from ops.evaluation.progress import Stage
from ops.evaluation.report import ROBUSTNESS, Row, row_of
from ops.evaluation.world import World
from schemas.settings import Settings

WITHIN = 5
IntArray = npt.NDArray[np.int64]


def robustness_rows(
    settings: Settings, plan: EvaluationPlan, world: World, models: list[tuple[ModelChoice, Encoder]], stage: Stage
) -> list[Row]:
    """The share of changed pictures that find the one they were made from among the first five, of all that was
    embedded: over all changes, and by change. The pictures are drawn from the queries."""
    originals = _drawn(world.queries, plan)
    changes = tuple(VARIANTS)
    jobs = [Job(world.pictures[row].ref, world.pictures[row].name, changes) for row in originals.tolist()]
    tables = []
    for (choice, encoder), vectors in zip(models, world.vectors, strict=True):
        with stage(f"changed pictures with {choice.said}", len(jobs)) as done:
            made = embed_jobs(settings, choice.settings, encoder, jobs, plan.seed, partial(done, 1))
        ranks = ranks_of_originals(made.vectors, vectors, world.same, np.repeat(originals, len(changes)))
        found = found_within(ranks, WITHIN).reshape(len(originals), len(changes))
        tables.append(np.column_stack([found.mean(axis=1), found]))
    names = [f"found@{WITHIN}", *(f"found@{WITHIN}/{change}" for change in changes)]
    clusters = numbered([world.pictures[row].group for row in originals.tolist()])
    how = Resampling(clusters, plan.resamples, plan.seed, plan.level)
    everyone = {ROBUSTNESS: np.ones(len(originals), dtype=np.bool_)}
    baseline = tables[1] if len(tables) > 1 else None
    return [row_of(figure) for figure in figures(names, tables[0], baseline, everyone, how)]


def _drawn(queries: IntArray, plan: EvaluationPlan) -> IntArray:
    if len(queries) <= plan.changed_pictures:
        return queries
    chosen = np.random.default_rng(plan.seed).choice(len(queries), plan.changed_pictures, replace=False)
    return queries[np.sort(chosen)]
