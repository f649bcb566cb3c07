"""The newest vectors of one source, held in bounded memory and counted in the bins of a reference window.

    collecting --`reference` items--> its reference is made --> watching: the newest `window` of those after it
         ^                                                                    |
         +------------------------------- renewed ----------------------------+

Another worker's reference, when it is newer, takes the place of one's own.
"""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from schemas.cluster import Generation
from schemas.drift_records import DriftRecord, DriftReference, DriftReport, DriftView, Key, Source, edges_of
from schemas.drift_settings import DriftSettings
from streams.psi import Float32Array, bin_counts, mean_psi_freedom, quantile_edges

LENGTH, SCORE = 0, 1

COLLAPSED = 0.05
"""A dimension whose standard deviation is below this share of 1/sqrt(dimension) has collapsed.

Numbers of unit vectors that fill their space have a standard deviation of 1/sqrt(dimension), those of a collapsed model
one of 0 (Chen and He, "Exploring simple siamese representation learning", 2021, section 4.1).
"""


def wall_clock_us() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


class DriftMeter:
    """Takes vectors as they come, and says from time to time what they are like; used by one task at a time."""

    def __init__(
        self,
        generation: Generation,
        source: Source,
        worker: str,
        settings: DriftSettings,
        clock: Callable[[], int] = wall_clock_us,
    ) -> None:
        self.key: Key = (generation.name, source)
        self._generation, self._source, self._worker = generation, source, worker
        self._wanted, self._window = settings.reference, settings.window
        self._clock = clock
        capacity = settings.reference + settings.window
        self._vectors = np.zeros((capacity, generation.dimension), np.float16)
        self._traits = np.zeros((capacity, 2), np.float32)
        self._came_us = np.zeros(capacity, np.int64)
        self._begin, self._seen, self._fresh = 0, 0, 0
        self._reference: DriftReference | None = None
        self._renewed_us = 0

    @property
    def reference(self) -> DriftReference | None:
        """What the newest report was counted by."""
        return self._reference

    @property
    def is_due(self) -> bool:
        """Whether so many came that a look is worth its time, however short ago the last one was."""
        return 4 * self._fresh >= self._window

    def is_behind(self, view: DriftView) -> bool:
        """Whether another look would say something new: items came, or the reference is another one."""
        newest = view.reference(self.key)
        is_newer = newest is not None and self._reference is not None and newest.made_us > self._reference.made_us
        return self._fresh > 0 or is_newer or self.is_renewed(view)

    def is_renewed(self, view: DriftView) -> bool:
        """Whether its reference was sent away since the last look."""
        return view.renewed_us(self.key) > self._renewed_us

    def observe(self, vector: npt.NDArray[np.floating], length: float, score: float = np.nan) -> None:
        """One unit vector (dimension,), its length before, and the best score it found; NaN for what is not known."""
        place = self._seen % len(self._vectors)
        self._vectors[place] = vector
        self._traits[place] = length, score
        self._came_us[place] = self._clock()
        self._seen += 1
        self._fresh += 1

    def look(self, view: DriftView) -> list[DriftRecord]:
        """What there is to be told of the newest items: a report, after a reference where one was just made."""
        self._fresh = 0
        reference = self._current(view)
        if reference is None:
            self._reference = None
            if self._held < self._wanted:
                return [self._report(None, self._held, self._wanted)]
            self._begin = self._seen - self._held + self._wanted
            self._reference = self._make_reference(view)
            return [self._reference, self._report(self._reference, min(self._held, self._window), self._window)]
        self._reference = reference
        return [self._report(reference, min(self._held, self._window), self._window)]

    @property
    def _held(self) -> int:
        """The items since the beginning, as far as there is room for them."""
        return min(self._seen - self._begin, len(self._vectors))

    def _current(self, view: DriftView) -> DriftReference | None:
        """The newest reference of this very model that was not sent away; what came before a renewal is let go."""
        renewed_us = view.renewed_us(self.key)
        if self.is_renewed(view):
            self._renewed_us = renewed_us
            places = np.arange(self._seen - self._held, self._seen) % len(self._vectors)
            self._begin = self._seen - int(np.count_nonzero(self._came_us[places] > renewed_us))
        held = [r for r in (self._reference, view.reference(self.key)) if r is not None and self._fits(r)]
        return max((r for r in held if r.made_us > renewed_us), key=lambda r: r.made_us, default=None)

    def _fits(self, reference: DriftReference) -> bool:
        asked = self._generation.fingerprint, self._generation.dimension
        return (reference.model, reference.dimension) == asked

    def _before(self, end: int, count: int) -> tuple[Float32Array, Float32Array]:
        """Vectors (count, dimension) and traits (count, 2) of the items before one, as far back as they are held."""
        places = np.arange(end - count, end) % len(self._vectors)
        return self._vectors[places].astype(np.float32), self._traits[places]

    def _make_reference(self, view: DriftView) -> DriftReference:
        vectors, traits = self._before(self._begin, self._wanted)
        features = _features(vectors, traits)
        edges = quantile_edges(features)
        others = view.reference(self.key)
        after_us = max(self._renewed_us, 0 if others is None else others.made_us)
        return DriftReference(
            generation=self._generation.name,
            source=self._source,
            model=self._generation.fingerprint,
            dimension=self._generation.dimension,
            made_us=max(self._clock(), after_us + 1),
            items=len(vectors),
            edges=edges.astype("<f4").tobytes(),
            counts=bin_counts(features, edges).astype("<u4").tobytes(),
            collapsed=collapsed_dimensions(vectors),
            freedom=mean_psi_freedom(vectors, edges[: vectors.shape[1]], self._window),
            mean_norm=_mean(traits[:, LENGTH]),
            mean_score=_mean(traits[:, SCORE]),
        )

    def _report(self, reference: DriftReference | None, items: int, wanted: int) -> DriftReport:
        counts, collapsed, traits = b"", 0, self._traits[:0]
        if reference is not None and items:
            vectors, traits = self._before(self._seen, items)
            counts = bin_counts(_features(vectors, traits), edges_of(reference)).astype("<u4").tobytes()
            collapsed = collapsed_dimensions(vectors)
        return DriftReport(
            generation=self._generation.name,
            source=self._source,
            worker=self._worker,
            time_us=self._clock(),
            items=items,
            wanted=wanted,
            reference_us=0 if reference is None else reference.made_us,
            counts=counts,
            collapsed=collapsed,
            mean_norm=_mean(traits[:, LENGTH]),
            mean_score=_mean(traits[:, SCORE]),
        )


def collapsed_dimensions(vectors: Float32Array) -> int:
    """How many of the dimensions of unit vectors (n, dimension) have collapsed."""
    return int(np.count_nonzero(vectors.std(axis=0) < COLLAPSED / np.sqrt(vectors.shape[1])))


def _features(vectors: Float32Array, traits: Float32Array) -> Float32Array:
    """Columns as `DriftReference` has them; traits that are not known of all items are 0."""
    known = np.where(np.isfinite(traits).all(axis=0), traits, np.float32(0))
    return np.hstack([vectors, known])


def _mean(values: Float32Array) -> float | None:
    """None of nothing, and where a value is not known."""
    return float(values.mean(dtype=np.float64)) if len(values) and np.isfinite(values).all() else None
