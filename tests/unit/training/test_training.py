"""Training itself: it learns what the labels say, by the recipe's seed, and refuses what cannot be learnt."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from embedder.training.recipe import Objective
from embedder.training.schedule import rate_share
from embedder.training.trainer import Progress, Trainer
from schemas.errors import InputError, ModelFailed


class Enough(Exception):
    """Ends a run from outside."""


Make = Callable[..., Trainer]
QUIET = Progress(lambda loss: None, lambda report: None)


@pytest.mark.parametrize(
    "objectives",
    [
        (Objective("category", "supcon"), Objective("augmentation", "infonce", 0.5)),
        (Objective("category", "triplet-semi-hard"),),
        (Objective("category", "triplet-hard"),),
        (Objective("category", "proxy"),),
    ],
    ids=lambda objectives: objectives[0].loss,
)
def test_it_learns_to_tell_lying_from_standing_stripes(
    trainer: Make, tmp_path: Path, objectives: tuple[Objective, ...]
) -> None:
    learning = trainer(objectives=objectives, epochs=24, margin=0.5, learning_rate=3e-3)
    curves = learning.run(tmp_path / "state", "key", QUIET)
    assert curves[-1].loss < curves[0].loss
    best = max(one.measures["mAP"] for one in curves)
    assert curves[0].measures["mAP"] < 0.7
    assert best > 0.95
    assert set(curves[-1].terms) == {one.said for one in objectives}


def test_products_and_pictures_alone_can_teach_too(trainer: Make, tmp_path: Path) -> None:
    for number, one in enumerate((Objective("group", "infonce"), Objective("augmentation", "infonce"))):
        curves = trainer(objectives=(one,), epochs=10).run(tmp_path / f"{number}.state", "key", QUIET)
        assert curves[-1].loss < curves[0].loss


def test_the_seed_decides_the_weights(trainer: Make, tmp_path: Path) -> None:
    made = []
    for number, seed in enumerate((1, 1, 2)):
        one = trainer(seed=seed, epochs=2)
        one.run(tmp_path / f"{number}.state", "key", QUIET)
        made.append(torch.cat([tensor.flatten().double() for tensor in one.weights().values()]))
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_the_best_epoch_is_kept_or_the_last(trainer: Make, tmp_path: Path) -> None:
    best, last = trainer(keep="best"), trainer(keep="last")
    curves = best.run(tmp_path / "best.state", "key", QUIET)
    last.run(tmp_path / "last.state", "key", QUIET)
    top = int(np.argmax([one.measures["mAP"] for one in curves]))
    shorter = trainer(keep="last")
    with pytest.raises(Enough):
        shorter.run(tmp_path / "shorter.state", "key", Progress(lambda loss: None, _stop_after(top)))
    kept, wanted = best.weights(), shorter.weights()
    assert all(torch.equal(kept[name], wanted[name]) for name in wanted)
    assert any(not torch.equal(kept[name], tensor) for name, tensor in last.weights().items()) or top == len(curves) - 1


def test_a_loss_that_is_no_number_ends_it(trainer: Make, tmp_path: Path) -> None:
    broken = trainer()
    with torch.no_grad():
        broken._network.projection[2].weight.fill_(float("nan"))
    with pytest.raises(ModelFailed, match="--learning-rate"):
        broken.run(tmp_path / "state", "key", QUIET)


@pytest.mark.parametrize(
    ("objective", "views", "words"),
    [("augmentation", 1, "--views"), ("group", 1, "no two pictures"), ("category", 2, "at least two kinds")],
)
def test_objectives_without_positives_are_refused(trainer: Make, objective: str, views: int, words: str) -> None:
    making = trainer()
    data = making._data._replace(categories=np.full(16, -1), groups=np.arange(16))
    recipe = making._recipe.__class__(
        backbone="test_resnet",
        objectives=(Objective(objective, "supcon"),),
        views=views,  # type: ignore[arg-type]
    )
    with pytest.raises(InputError, match=words):
        Trainer(recipe, making._network, making._loader._spec, data, None, making._device)


def test_the_rate_rises_and_falls() -> None:
    shares = [rate_share(step, 100, 10) for step in range(100)]
    assert shares[:10] == pytest.approx([0.1 * n for n in range(1, 11)])
    assert shares[10] == 1.0
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert shares[55] == pytest.approx(0.5)
    assert 0 < shares[-1] < 0.01


def _stop_after(epoch: int) -> Callable[..., None]:
    def stop(report: object) -> None:
        if getattr(report, "epoch", None) == epoch:
            raise Enough

    return stop
