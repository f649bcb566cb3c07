"""The trainer: epochs of batches over one network, its average, its state and its curves."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from embedder.evaluation.relevance import NOTHING
from embedder.models.network import backbone_width
from embedder.preprocess import Preprocessing
from embedder.training.batches import balanced_batches, shuffled_batches
from embedder.training.curves import EpochReport, best_epoch
from embedder.training.device import TrainingDevice
from embedder.training.objective import BatchLoss
from embedder.training.pixel_store import PixelStore
from embedder.training.recipe import Positives, Recipe
from embedder.training.run_state import RunState, read_state, write_state
from embedder.training.schedule import rate_share
from embedder.training.validation import ValidationSet, validate
from embedder.training.view_loader import LoadedBatch, ViewLoader
from schemas.errors import InputError, ModelFailed

IntArray = npt.NDArray[np.int64]
MOST_NORM = 5.0
"""The length gradients are cut to (Pascanu et al., "On the difficulty of training recurrent neural networks", 2013)."""


class TrainingSet(NamedTuple):
    """`numbers` (n,) are the pictures' numbers in the store; `categories` and `groups` (n,) their labels."""

    pixels: PixelStore
    numbers: IntArray
    categories: IntArray
    groups: IntArray

    def labels(self) -> dict[Positives, IntArray]:
        """Whose vectors are positives of each other, by kind of positives: those of equal numbers."""
        return {
            "category": self.categories,
            "group": self.groups,
            "augmentation": np.arange(len(self.numbers), dtype=np.int64),
        }


class Progress(NamedTuple):
    """Who is told how training goes: of each batch's loss, and of each epoch, also of those done before a restart."""

    batch: Callable[[float], None]
    epoch: Callable[[EpochReport], None]


class Trainer:
    """Trains one network; the same recipe, pictures and machine give the same weights, however often it was killed.

    After each epoch all that the next one depends on is in the state file; an epoch that was cut short begins again.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: Any,
        spec: Preprocessing,
        data: TrainingSet,
        validation: ValidationSet | None,
        device: TrainingDevice,
    ) -> None:
        """InputError where an objective has no two positives to work with."""
        from timm.optim import param_groups_weight_decay
        from timm.utils import ModelEmaV3
        from torch.optim import AdamW

        _check(recipe, data)
        self._recipe = recipe
        self._data = data
        self._validation = validation
        self._device = device
        self._labels = data.labels()
        self._loss = BatchLoss(recipe, self._labels, backbone_width(network, spec.size), device.where)
        self._network = device.take(network)
        self._average = ModelEmaV3(self._network, decay=recipe.average, use_warmup=True) if recipe.average else None
        groups = param_groups_weight_decay(self._network, recipe.weight_decay)
        self._optimizer = AdamW([*groups, _proxy_group(self._loss)], lr=recipe.learning_rate)
        self._loader = ViewLoader(data.pixels, data.numbers, recipe.augmentation, spec, recipe.seed, recipe.views)
        self._curves: list[EpochReport] = []
        self._best: dict[str, Any] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return len(self._batches(0))

    @property
    def measure(self) -> str | None:
        """The measure that epochs are compared by; None without validation."""
        return None if self._validation is None else self._validation.measure

    def run(self, state: Path, key: str, progress: Progress) -> list[EpochReport]:
        """Train to the recipe's last epoch, going on from the state file where it has a run of the same key.

        Raises:
            InputError: the state file is of another run.
            ModelFailed: the loss is no number any more.
            OSError: the state cannot be written.
        """
        self._go_on(read_state(state, key), progress)
        for epoch in range(len(self._curves), self._recipe.epochs):
            report = self._epoch(epoch, progress.batch)
            self._curves.append(report)
            if self._keeps_this(epoch):
                self._best = {name: tensor.detach().cpu().clone() for name, tensor in self._kept.state_dict().items()}
            write_state(state, key, RunState(self._curves, self._tensors()))
            progress.epoch(report)
        return self._curves

    def weights(self) -> dict[str, Any]:
        """The weights to keep, by name: of the best epoch or of the last, averaged where the recipe says so."""
        return self._best or dict(self._kept.state_dict())

    @property
    def _kept(self) -> Any:
        return self._network if self._average is None else self._average.module

    def _keeps_this(self, epoch: int) -> bool:
        return (
            self._recipe.keep == "best" and self.measure is not None and best_epoch(self._curves, self.measure) == epoch
        )

    def _epoch(self, epoch: int, told: Callable[[float], None]) -> EpochReport:
        begun = time.perf_counter()
        self._network.train()
        batches = self._batches(epoch)
        losses, terms, views = [], [], 0
        for number, batch in enumerate(self._loader.epoch(epoch, batches)):
            rate = self._set_rate(epoch * len(batches) + number, len(batches))
            loss, parts = self._step(batch, epoch, epoch * len(batches) + number)
            losses.append(loss)
            terms.append(parts)
            views += len(batch.rows)
            told(loss)
        trained = time.perf_counter()
        measures = {}
        if self._validation is not None:
            measures = validate(self._validation, lambda pictures: self._device.embed(self._kept, pictures))
        return EpochReport(
            epoch=epoch,
            loss=float(np.mean(losses)),
            terms={name: float(np.mean([one[name] for one in terms])) for name in terms[0]},
            rate=rate,
            views=views,
            train_s=trained - begun,
            validate_s=time.perf_counter() - trained,
            measures=measures,
        )

    def _step(self, batch: LoadedBatch, epoch: int, step: int) -> tuple[float, dict[str, float]]:
        import torch
        from torch.nn.functional import normalize

        labels = {
            kind: torch.from_numpy(numbers[batch.rows]).to(self._device.where) for kind, numbers in self._labels.items()
        }
        with self._device.precision():
            raw = self._network(self._device.pictures(batch.views))
        loss, terms = self._loss(normalize(raw.float(), dim=1), labels)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise ModelFailed(f"the loss is no number any more in epoch {epoch + 1}: lower --learning-rate")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), MOST_NORM)
        self._optimizer.step()
        if self._average is not None:
            self._average.update(self._network, step=step)
        return value, terms

    def _set_rate(self, step: int, per_epoch: int) -> float:
        recipe = self._recipe
        share = rate_share(step, recipe.epochs * per_epoch, round(recipe.warmup_epochs * per_epoch))
        for group in self._optimizer.param_groups:
            group["lr"] = share * recipe.learning_rate
        return share * recipe.learning_rate

    def _batches(self, epoch: int) -> list[IntArray]:
        recipe = self._recipe
        chance = np.random.default_rng((recipe.seed, epoch))
        if recipe.balanced_by == "augmentation":
            return shuffled_batches(len(self._data.numbers), recipe.kinds * recipe.per_kind, chance)
        return balanced_batches(self._labels[recipe.balanced_by], recipe.kinds, recipe.per_kind, chance)

    def _tensors(self) -> dict[str, Any]:
        import torch

        states = {name: part.state_dict() for name, part in self._parts()}
        random = {"random": torch.get_rng_state()}
        if self._device.where == "cuda":
            random["random cuda"] = torch.cuda.get_rng_state()
        return states | random | {"best": self._best}

    def _go_on(self, state: RunState | None, progress: Progress) -> None:
        import torch

        if state is None:
            torch.manual_seed(self._recipe.seed)
            return
        for name, part in self._parts():
            part.load_state_dict(state.tensors[name])
        torch.set_rng_state(state.tensors["random"])
        if self._device.where == "cuda" and "random cuda" in state.tensors:
            torch.cuda.set_rng_state(state.tensors["random cuda"])
        self._best = state.tensors["best"]
        self._curves = state.curves
        for report in state.curves:
            progress.epoch(report)

    def _parts(self) -> Iterator[tuple[str, Any]]:
        """What has a state, by the name it is saved under."""
        yield "network", self._network
        yield "proxies", self._loss.proxies
        yield "optimizer", self._optimizer
        if self._average is not None:
            yield "average", self._average


def _proxy_group(loss: BatchLoss) -> dict[str, Any]:
    """The proxies are not drawn towards zero: only their direction counts."""
    return {"params": list(loss.proxies.parameters()), "weight_decay": 0.0}


def _check(recipe: Recipe, data: TrainingSet) -> None:
    labels = data.labels()
    for one in recipe.objectives:
        known = labels[one.positives][labels[one.positives] != NOTHING]
        if one.positives == "augmentation" and recipe.views < 2:
            raise InputError(f"--objective {one.said} compares views of a picture, so --views must be at least 2")
        if len(np.unique(known)) < 2:
            raise InputError(f"--objective {one.said} needs pictures of at least two kinds, and there are not")
        if one.positives != "augmentation" and recipe.views < 2 and len(np.unique(known)) == len(known):
            raise InputError(f"--objective {one.said}: no two pictures have a {one.positives} in common")
