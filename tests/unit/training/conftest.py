"""What the tests of training share: small pictures of two kinds of stripes, and a small recipe."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from embedder.preprocess import Preprocessing
from embedder.training.device import TrainingDevice
from embedder.training.pixel_store import PixelStore
from embedder.training.recipe import Recipe
from embedder.training.starting_point import starting_network
from embedder.training.trainer import Trainer, TrainingSet
from embedder.training.validation import ValidationSet

SIDE = 32
COUNT = 16

RECIPE = Recipe(
    backbone="test_resnet",
    size=SIDE,
    hidden=24,
    dimension=16,
    kinds=2,
    per_kind=4,
    epochs=4,
    warmup_epochs=1.0,
    learning_rate=1e-3,
    drop_path=0.1,
    average=0.9,
)


def striped(kind: int, seed: int) -> np.ndarray:
    """A picture of lying (0) or standing (1) stripes, in colours of its own."""
    chance = np.random.default_rng((kind, seed))
    stripes = np.repeat(chance.integers(0, 256, (10, 1, 3)), 4, axis=0)
    lying = np.repeat(stripes, 40, axis=1).astype(np.uint8)
    return lying if kind == 0 else np.ascontiguousarray(lying.transpose(1, 0, 2))


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Networks this small gain nothing from a second thread, and wait for it where cores are shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def recipe() -> Recipe:
    return RECIPE


@pytest.fixture
def training_set(tmp_path: Path) -> Iterator[TrainingSet]:
    store = PixelStore(tmp_path)
    kinds = np.arange(COUNT) % 2
    for number, kind in enumerate(kinds.tolist()):
        store.put(number, striped(kind, number))
    store.freeze()
    yield TrainingSet(store, np.arange(COUNT), kinds, np.arange(COUNT) // 4)
    store.close()


@pytest.fixture
def validation_set() -> ValidationSet:
    kinds = np.arange(12) % 2
    pictures = np.stack([striped(kind, 100 + n)[:SIDE, :SIDE] for n, kind in enumerate(kinds.tolist())])
    return ValidationSet(pictures, np.arange(12), kinds, np.arange(12), pictures[:4, :, ::-1].copy(), np.arange(4))


@pytest.fixture
def trainer(training_set: TrainingSet, validation_set: ValidationSet) -> Callable[..., Trainer]:
    """A trainer of the small recipe on the CPU, with changes to it."""

    def make(**changes: Any) -> Trainer:
        recipe = msgspec.structs.replace(RECIPE, **changes)
        network, spec = starting_network(recipe)
        return Trainer(recipe, network, spec, training_set, validation_set, TrainingDevice("cpu", spec, mixed=False))

    return make


@pytest.fixture
def spec() -> Preprocessing:
    return starting_network(RECIPE)[1]
