"""A drift meter fed with vectors in order, as the agent feeds it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from schemas.cluster import Generation
from schemas.drift_records import DriftView, Source
from schemas.drift_settings import DriftSettings
from streams.drift_judgement import Judgement, judge
from streams.drift_meter import DriftMeter

LOOK_EVERY = 50


class Look(NamedTuple):
    """What was said after so many items."""

    items: int
    judgement: Judgement


class Watched:
    """One worker's meter of one source, and the topic it writes to."""

    def __init__(
        self,
        dimension: int,
        source: Source = "catalogue",
        worker: str = "1",
        settings: DriftSettings | None = None,
        view: DriftView | None = None,
        model: str = "model",
    ) -> None:
        self.settings = settings or DriftSettings()
        self.view = view or DriftView()
        self.now_us = 1_000_000
        generation = Generation(name="g1", model="fake", fingerprint=model, dimension=dimension, shards=1)
        self.meter = DriftMeter(generation, source, worker, self.settings, lambda: self.now_us)

    def feed(self, vectors: np.ndarray, lengths: np.ndarray, scores: np.ndarray | None = None) -> list[Look]:
        """Observe rows one by one, with a look after every 50."""
        looks = []
        for start in range(0, len(vectors), LOOK_EVERY):
            some = slice(start, start + LOOK_EVERY)
            found = np.full(len(vectors), np.nan) if scores is None else scores
            for vector, length, score in zip(vectors[some], lengths[some], found[some], strict=True):
                self.meter.observe(vector, float(length), float(score))
            looks.append(Look(min(start + LOOK_EVERY, len(vectors)), self.look()))
        return looks

    def look(self) -> Judgement:
        self.now_us += 1000
        for record in self.meter.look(self.view):
            self.view.apply(record)
        return self.judged()

    def judged(self) -> Judgement:
        key = self.meter.key
        return judge(key, self.view.reference(key), self.view.reports(key), self.settings)


@pytest.fixture
def watched() -> Callable[..., Watched]:
    """Makes meters."""
    return Watched


@pytest.fixture
def unit_rows() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Makes vectors (n, dimension) of unit length and their lengths before, dependent and skewed as real ones are."""
    mixing = np.random.default_rng(99).standard_normal((24, 48))

    def make(seed: int, count: int, shift: float = 0.0, stretch: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        factors = rng.gamma(2.0, 1.0, (count, 24)) - 2.0
        factors[:, 0] += shift
        raw = np.maximum(factors @ mixing + rng.standard_normal((count, 48)), 0.0)
        lengths = np.linalg.norm(raw, axis=1)
        return raw / lengths[:, None], lengths * stretch

    return make
