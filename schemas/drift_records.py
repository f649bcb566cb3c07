"""The records of `drift.state`: what vectors and scores were like once, and what they are like now.

reference/<generation>/<source>         the reference window; of several the newest counts
report/<generation>/<source>/<worker>   a worker's newest window, counted in the reference's bins
renewal/<generation>/<source>           references made before it count no more: the next items make a new one
"""

from typing import Literal, get_args

import msgspec
import numpy as np
import numpy.typing as npt

Source = Literal["catalogue", "queries"]
SOURCES: tuple[Source, ...] = get_args(Source)
Key = tuple[str, Source]
"""A generation and what its vectors are of."""

REPORTS_KEPT_US = 3_600_000_000
"""A worker's report that is older than the newest one by more than this is of a worker that is gone."""


class DriftReference(msgspec.Struct, frozen=True, kw_only=True, tag="reference"):
    """The reference window of one source: each feature's deciles and how many of `items` values lie between them.

    Features are the vectors' `dimension` numbers, then their length before normalisation, then the best score.
    `edges` are little-endian fp32 (features, 9), `counts` uint32 (features, 10). `model` is the fingerprint of the
    embedding space; `collapsed` of the dimensions hardly vary; `freedom` says how
    their mean index varies by chance (`streams.psi`). A mean is None where a value is not known.
    """

    generation: str
    source: Source
    model: str
    dimension: int
    made_us: int
    items: int
    edges: bytes
    counts: bytes
    collapsed: int
    freedom: float
    mean_norm: float | None = None
    mean_score: float | None = None

    def key(self) -> str:
        return f"reference/{self.generation}/{self.source}"


class DriftReport(msgspec.Struct, frozen=True, kw_only=True, tag="report"):
    """A worker's newest `items`, in the bins of the reference that was made at `reference_us`.

    Before there is one (`reference_us` is 0) `items` are those collected for it, and `counts` is empty.
    """

    generation: str
    source: Source
    worker: str
    time_us: int
    items: int
    wanted: int
    reference_us: int = 0
    counts: bytes = b""
    collapsed: int = 0
    mean_norm: float | None = None
    mean_score: float | None = None

    def key(self) -> str:
        return f"report/{self.generation}/{self.source}/{self.worker}"


class DriftRenewal(msgspec.Struct, frozen=True, kw_only=True, tag="renewal"):
    """References made up to `since_us` count no more."""

    generation: str
    source: Source
    since_us: int

    def key(self) -> str:
        return f"renewal/{self.generation}/{self.source}"


DriftRecord = DriftReference | DriftReport | DriftRenewal
_decoder: msgspec.json.Decoder[DriftRecord] = msgspec.json.Decoder(DriftRecord)


def encode_drift_record(record: DriftRecord) -> bytes:
    """The JSON value of this record; its key is `record.key()`."""
    return msgspec.json.encode(record)


def decode_drift_record(value: bytes) -> DriftRecord:
    """The record of this JSON; raises msgspec.DecodeError or ValidationError on anything else."""
    return _decoder.decode(value)


def edges_of(reference: DriftReference) -> npt.NDArray[np.float32]:
    """Its edges, of shape (features, 9)."""
    return np.frombuffer(reference.edges, "<f4").reshape(reference.dimension + 2, -1)


def counts_of(record: DriftReference | DriftReport, dimension: int) -> npt.NDArray[np.int64]:
    """Its counts, of shape (features, 10)."""
    return np.frombuffer(record.counts, "<u4").reshape(dimension + 2, -1).astype(np.int64)


class DriftView:
    """The fold of `drift.state` read in order."""

    def __init__(self) -> None:
        self._references: dict[Key, DriftReference] = {}
        self._renewed_us: dict[Key, int] = {}
        self._reports: dict[Key, dict[str, DriftReport]] = {}

    def apply(self, record: DriftRecord) -> None:
        """Take the next record of the topic."""
        key: Key = (record.generation, record.source)
        match record:
            case DriftReference():
                held = self._references.get(key)
                if held is None or record.made_us > held.made_us:
                    self._references[key] = record
            case DriftReport():
                self._reports.setdefault(key, {})[record.worker] = record
            case DriftRenewal():
                self._renewed_us[key] = max(record.since_us, self.renewed_us(key))

    def reference(self, key: Key) -> DriftReference | None:
        """The reference that counts."""
        held = self._references.get(key)
        return held if held is not None and held.made_us > self.renewed_us(key) else None

    def renewed_us(self, key: Key) -> int:
        """References must have been made after this moment; 0 when none was ever sent away."""
        return self._renewed_us.get(key, 0)

    def known(self) -> list[Key]:
        """Whatever is known of."""
        return sorted({*self._references, *self._reports})

    def reports(self, key: Key) -> list[DriftReport]:
        """What the workers that are at it said last, in the bins of the reference that counts."""
        reference = self.reference(key)
        wanted_us = 0 if reference is None else reference.made_us
        reports = [r for r in self._reports.get(key, {}).values() if r.reference_us == wanted_us]
        newest_us = max((r.time_us for r in reports), default=0)
        return [r for r in reports if newest_us - r.time_us <= REPORTS_KEPT_US]
