"""A training that is cut short anywhere goes on, and ends with the weights it would have had."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from embedder.training.curves import EpochReport
from embedder.training.recipe import Objective
from embedder.training.trainer import Progress, Trainer
from schemas.errors import InputError

Make = Callable[..., Trainer]


class Killed(Exception):
    """Stands for the end of the process."""


def quiet() -> Progress:
    return Progress(lambda loss: None, lambda report: None)


def killed_in_epoch(epoch: int) -> Progress:
    def report(done: EpochReport) -> None:
        if done.epoch == epoch:
            raise Killed

    return Progress(lambda loss: None, report)


def killed_at_batch(number: int) -> Progress:
    left = iter(range(number))

    def batch(loss: float) -> None:
        if next(left, None) is None:
            raise Killed

    return Progress(batch, lambda report: None)


def without_times(curves: list[EpochReport]) -> list[dict[str, Any]]:
    return [
        {name: getattr(one, name) for name in one.__struct_fields__ if name not in ("train_s", "validate_s")}
        for one in curves
    ]


@pytest.mark.parametrize("keep", ["best", "last"])
def test_it_ends_with_the_same_weights_and_curves(trainer: Make, tmp_path: Path, keep: str) -> None:
    recipe: dict[str, Any] = {
        "keep": keep,
        "objectives": (Objective("category", "proxy"), Objective("augmentation", "infonce")),
    }
    whole = trainer(**recipe)
    curves = whole.run(tmp_path / "whole.state", "key", quiet())
    state = tmp_path / "cut.state"
    for progress in (killed_in_epoch(0), killed_at_batch(3), killed_at_batch(1)):
        with pytest.raises(Killed):
            trainer(**recipe).run(state, "key", progress)
        assert state.exists()
    torch.rand(3)  # whatever else was drawn meanwhile
    resumed = trainer(**recipe)
    told: list[int] = []
    again = resumed.run(state, "key", Progress(lambda loss: None, lambda report: told.append(report.epoch)))
    assert told == [0, 1, 2, 3]
    assert without_times(again) == without_times(curves)
    weights, wanted = resumed.weights(), whole.weights()
    assert weights.keys() == wanted.keys()
    assert all(torch.equal(weights[name], wanted[name]) for name in wanted)


def test_a_run_that_is_over_trains_no_more(trainer: Make, tmp_path: Path) -> None:
    first = trainer()
    first.run(tmp_path / "run.state", "key", quiet())
    again = trainer()
    again.run(tmp_path / "run.state", "key", killed_at_batch(0))
    weights, wanted = again.weights(), first.weights()
    assert all(torch.equal(weights[name], wanted[name]) for name in wanted)


def test_a_state_of_another_run_is_refused(trainer: Make, tmp_path: Path) -> None:
    state = tmp_path / "run.state"
    with pytest.raises(Killed):
        trainer().run(state, "key", killed_in_epoch(0))
    with pytest.raises(InputError, match="--restart"):
        trainer().run(state, "another key", quiet())
    state.write_bytes(b"nothing of ours")
    with pytest.raises(InputError, match="no state of a training run"):
        trainer().run(state, "key", quiet())
