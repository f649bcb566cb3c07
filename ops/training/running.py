"""A training from its plan to its checkpoint and report."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from embedder.models.checkpoint import CheckpointHeader, write_checkpoint
from embedder.models.timm_backbone import CHECKPOINT, load_timm, torch_device
from embedder.preprocess import Preprocessing
from embedder.training.curves import EpochReport, best_epoch
from embedder.training.device import TrainingDevice
from embedder.training.pixel_store import PixelStore
from embedder.training.starting_point import starting_network
from embedder.training.trainer import Progress, Trainer
from ops.evaluation.pictures import read_catalogue
from ops.evaluation.progress import Stage
from ops.training.gathering import Gathered, gather
from ops.training.parts import Parts, parts_of
from ops.training.plan import TrainingPlan
from ops.training.report import MadeCheckpoint, TrainingReport, TrainingSetting, epoch_words, write_report
from schemas.errors import DiskFailed
from schemas.settings import Settings

NAMED_LEFT_OUT = 10


def train(settings: Settings, plan: TrainingPlan, stage: Stage, say: Callable[[str], None]) -> TrainingReport:
    """Train the plan's recipe, write checkpoint and report, and drop the state; `say` is told of each epoch.

    Raises:
        InputError: the source or a flag cannot be used, or the state file is of another run.
        SettingsError: there is no such backbone, or its weights cannot be had.
        ModelFailed: the loss is no number any more.
        DiskFailed: the disk takes no more.
    """
    begun = time.perf_counter()
    device_name = torch_device(settings.model.device)
    catalogue = read_catalogue(plan.as_evaluation(), labelled=False)
    parts = parts_of(catalogue.pictures, plan)
    network, spec = starting_network(plan.recipe)
    if plan.restart:
        plan.state.unlink(missing_ok=True)
    try:
        store = PixelStore(plan.out.absolute().parent)
        try:
            gathered = gather(settings, plan, catalogue, parts, spec, store, stage)
            device = TrainingDevice(device_name, spec)
            trainer = Trainer(plan.recipe, network, spec, gathered.training, gathered.validation, device)
            curves = _run(trainer, plan, gathered, stage, say)
        finally:
            store.close()
        made = _write(plan, trainer, spec, curves)
        report = TrainingReport(
            setting=_setting(plan, len(catalogue.pictures), parts, gathered),
            recipe=plan.recipe,
            device=device.where,
            mixed_precision=device.mixed,
            checkpoint=made,
            measure=trainer.measure,
            curves=curves,
            took_s=time.perf_counter() - begun,
        )
        write_report(plan.report, report)
    except OSError as error:
        raise DiskFailed(f"{plan.out.absolute().parent} takes no more: {error.strerror or error}") from error
    plan.state.unlink(missing_ok=True)
    return report


def _run(
    trainer: Trainer, plan: TrainingPlan, gathered: Gathered, stage: Stage, say: Callable[[str], None]
) -> list[EpochReport]:
    epochs, per_epoch = plan.recipe.epochs, trainer.steps_per_epoch
    with stage("training", epochs * per_epoch) as done:
        told = 0

        def of_batch(loss: float) -> None:
            nonlocal told
            told += 1
            done(1)

        def of_epoch(report: EpochReport) -> None:
            nonlocal told
            done((report.epoch + 1) * per_epoch - told)
            told = (report.epoch + 1) * per_epoch
            say(epoch_words(report, epochs))

        return trainer.run(plan.state, run_key(plan, gathered.digest), Progress(of_batch, of_epoch))


def run_key(plan: TrainingPlan, digest: str) -> str:
    """What a run must share with the one it goes on from: the recipe, the pictures, and the weights it started from."""
    start = Path(plan.recipe.start)
    weights = f"{start.stat().st_mtime_ns} {start.stat().st_size}" if start.is_file() else ""
    return f"{msgspec.json.encode(plan.recipe).decode()} {digest} {weights}"


def _write(plan: TrainingPlan, trainer: Trainer, spec: Preprocessing, curves: list[EpochReport]) -> MadeCheckpoint:
    recipe, weights = plan.recipe, trainer.weights()
    header = CheckpointHeader(
        backbone=recipe.backbone,
        head=(recipe.hidden, recipe.dimension) if recipe.hidden else None,
        preprocessing=spec,
        recipe=msgspec.to_builtins(recipe),
    )
    size = write_checkpoint(plan.out, header, weights)
    loaded = load_timm(CHECKPOINT, str(plan.out), "cpu")
    best = best_epoch(curves, trainer.measure) if recipe.keep == "best" and trainer.measure else None
    return MadeCheckpoint(
        path=str(plan.out),
        model=loaded.name,
        size_bytes=size,
        parameters=sum(_numbers(tensor) for tensor in weights.values()),
        dimension=loaded.dimension,
        fingerprint=loaded.fingerprint,
        epoch=1 + (curves[-1].epoch if best is None else best),
    )


def _numbers(tensor: Any) -> int:
    return int(tensor.numel()) if tensor.dtype.is_floating_point else 0


def _setting(plan: TrainingPlan, pictures: int, parts: Parts, gathered: Gathered) -> TrainingSetting:
    return TrainingSetting(
        source=str(plan.source),
        pictures=pictures,
        trained_on=len(gathered.training.numbers),
        validated_on=0 if gathered.validation is None else len(gathered.validation.pictures),
        held_out=len(parts.held_out),
        twins=gathered.twins,
        split=parts.split,
        share=plan.share,
        seed=plan.seed,
        validation=plan.validation,
        left_out_count=len(gathered.left_out),
        left_out=gathered.left_out[:NAMED_LEFT_OUT],
    )
