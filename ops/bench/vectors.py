"""Data to measure with: a seeded mixture that is hard enough to tell indexes apart, and files of vectors.

The mixture draws points around 200 centres, all with one covariance whose spectrum falls slowly: clusters overlap, the
intrinsic dimension is high and recall of a graph is far from 1, as with real embeddings and unlike with uniform noise
in few dimensions. Files are `.fbin` and `.u8bin` of the big-ann-benchmarks (two little-endian uint32, rows and columns,
then the rows) or `.npy`. Whatever a file's own metric, its rows are brought to unit length and compared by inner
product.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from schemas.errors import InputError

CENTRES, SPREAD, DECAY = 200, 3.0, 0.5
BLOCK = 20_000
Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
_TYPES: dict[str, npt.DTypeLike] = {".fbin": np.dtype("<f4"), ".u8bin": np.dtype(np.uint8)}
_HEADER_BYTES = 8


def hard_mixture(count: int, dimension: int, seed: int) -> Float32Array:
    """Unit vectors of shape (count, dimension); a smaller count is a prefix of a larger one."""
    chance = np.random.default_rng(seed)
    scale = np.arange(1, dimension + 1) ** -DECAY
    centres = chance.standard_normal((CENTRES, dimension)) * scale
    rows = np.empty((count, dimension), np.float32)
    for at in range(0, count, BLOCK):
        which = chance.integers(0, CENTRES, BLOCK)
        block = centres[which] + chance.standard_normal((BLOCK, dimension)) * (SPREAD * scale)
        rows[at : at + BLOCK] = normalised(block[: count - at])
    return rows


def normalised(rows: npt.NDArray[np.floating]) -> Float32Array:
    """The rows at unit length as float32; all-zero rows stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Float32Array = (rows / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return unit


def read_vectors(path: Path, limit: int | None = None) -> Float32Array:
    """The first `limit` vectors of a file (all without one) at unit length, shape (n, dimension).

    Raises:
        InputError: an unknown ending, a file that cannot be read or is shorter than its header says, or a row
            that is zero or not finite and so has no direction.
    """
    try:
        rows = _raw_rows(path, limit)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", code="bad_vectors") from error
    unit = normalised(rows.astype(np.float32))
    usable = np.abs(np.linalg.norm(unit, axis=1) - 1.0) < 1e-3
    if not usable.all():
        raise InputError(f"row {int(np.argmin(usable))} of {path.name} has no direction", code="bad_vectors")
    return unit


def as_sent(rows: Float32Array) -> Float32Array:
    """The rows as they are after travelling in half precision, so that all who are compared know the very same."""
    sent: Float32Array = rows.astype(np.float16).astype(np.float32)
    return sent


def write_fbin(path: Path, rows: Float32Array) -> None:
    """Write rows of shape (n, dimension) as `.fbin`."""
    with path.open("wb") as file:
        np.array(rows.shape, "<u4").tofile(file)
        rows.astype("<f4").tofile(file)


def exact_neighbours(rows: Float32Array, queries: Float32Array, k: int) -> Int64Array:
    """The k rows of largest inner product for each query, best first, shape (queries, min(k, rows))."""
    k = min(k, len(rows))
    found = np.empty((len(queries), k), np.int64)
    for at in range(0, len(queries), 64):
        scores = queries[at : at + 64] @ rows.T
        top = np.argpartition(scores, len(rows) - k, axis=1)[:, len(rows) - k :]
        order = np.argsort(-np.take_along_axis(scores, top, 1), axis=1)
        found[at : at + 64] = np.take_along_axis(top, order, 1)
    return found


def neighbours_among(pool: Float32Array, numbers: Int64Array, queries: Float32Array, k: int) -> Int64Array:
    """The exact neighbours among some rows of a pool alone, as row numbers of the pool."""
    found: Int64Array = numbers[exact_neighbours(pool[numbers], queries, k)]
    return found


def recall(found: Sequence[Sequence[int]], true: Int64Array) -> float:
    """The mean share of the true neighbours that were found among as many answers."""
    k = true.shape[1]
    return float(np.mean([len(set(f[:k]) & set(t.tolist())) / k for f, t in zip(found, true, strict=True)]))


def _raw_rows(path: Path, limit: int | None) -> npt.NDArray[np.generic]:
    if path.suffix == ".npy":
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
        if rows.ndim != 2:
            raise ValueError(f"it holds an array of shape {rows.shape}")
        return np.asarray(rows[:limit])
    kind = _TYPES.get(path.suffix)
    if kind is None:
        raise ValueError("vectors are .fbin, .u8bin or .npy")
    header = np.fromfile(path, "<u4", 2)
    if len(header) != 2:
        raise ValueError("it has no header")
    count, dimension = (int(n) for n in header)
    wanted = count if limit is None else min(count, limit)
    cells = np.fromfile(path, kind, wanted * dimension, offset=_HEADER_BYTES)
    if len(cells) != wanted * dimension:
        raise ValueError("it is shorter than its header says")
    return cells.reshape(wanted, dimension)
