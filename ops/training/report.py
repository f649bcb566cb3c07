"""What a training says: a JSON document beside the checkpoint, and a table for people."""

from pathlib import Path

import msgspec

from embedder.training.curves import EpochReport
from embedder.training.recipe import Recipe
from ops.console import out, print_table


class TrainingSetting(msgspec.Struct, frozen=True, kw_only=True):
    """What was trained on: of `pictures` in the source, `trained_on` taught, `validated_on` judged epochs, `held_out`
    were never seen, and `twins` were left out as they are pixel by pixel one of those. `left_out` names the first
    pictures and rows that could not be read."""

    source: str
    pictures: int
    trained_on: int
    validated_on: int
    held_out: int
    twins: int
    split: str
    share: float
    seed: int
    validation: float
    left_out_count: int
    left_out: list[str]


class MadeCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The checkpoint, as it is when it is loaded again; `epoch` is the one its weights are of, counted from 1."""

    path: str
    model: str
    size_bytes: int
    parameters: int
    dimension: int
    fingerprint: str
    epoch: int


class TrainingReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of `lookalive train --json`; `measure` is what epochs were compared by."""

    setting: TrainingSetting
    recipe: Recipe
    device: str
    mixed_precision: bool
    checkpoint: MadeCheckpoint
    measure: str | None
    curves: list[EpochReport]
    took_s: float


def write_report(path: Path, report: TrainingReport) -> None:
    """As indented JSON; raises OSError."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))


def epoch_words(one: EpochReport, epochs: int) -> str:
    """`epoch 3 of 60: loss 2.104, mAP 0.312, found@5 0.875, 41.2 s`."""
    measures = "".join(f", {name} {value:.3f}" for name, value in one.measures.items())
    return f"epoch {one.epoch + 1} of {epochs}: loss {one.loss:.3f}{measures}, {one.train_s + one.validate_s:.1f} s"


def show_report(report: TrainingReport) -> None:
    """What was made of what, and the epochs."""
    setting, made = report.setting, report.checkpoint
    names = list(dict.fromkeys(name for one in report.curves for name in one.measures))
    rows = [
        (one.epoch + 1, one.loss, *(one.measures.get(name) for name in names), one.train_s + one.validate_s)
        for one in report.curves
    ]
    print_table(["epoch", "loss", *names, "seconds"], rows)
    lines = [
        f"trained on {setting.trained_on:,} pictures of {setting.source}; {setting.validated_on:,} judged the epochs, "
        f"{setting.held_out:,} are held out (--share {setting.share:g} --seed {setting.seed}, by {setting.split})",
        f"{made.path}: {made.size_bytes / 1e6:.1f} MB, {made.model} with {made.dimension} numbers per picture, the "
        f"weights of epoch {made.epoch}, fingerprint {made.fingerprint}",
        "judge it by what was held out: lookalive evaluate "
        f"{setting.source} --model checkpoint={made.path} --baseline histogram",
    ]
    for line in lines:
        out.print(line, highlight=False, markup=False, soft_wrap=True)
