"""Data to measure with: a seeded mixture that is hard enough to tell indexes apart, and files of vectors.

The mixture draws points around 200 centres, all with one covariance whose spectrum falls slowly: clusters overlap, the
intrinsic dimension is high and recall of a graph is far from 1, as with real embeddings and unlike with uniform noise in
few dimensions. Files are `.fbin` and `.u8bin` of the big-ann-benchmarks (two little-endian uint32, rows and columns, then
the rows) or `.npy`.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from schemas.errors import InputError

CENTRES, SPREAD, DECAY = 200, 3.0, 0.5
BLOCK = 20_000
Float32Array = npt.NDArray[np.float32]
_TYPES: dict[str, npt.DTypeLike] = {".fbin": np.float32, ".u8bin": np.uint8}


def hard_mixture(count: int, dimension: int, seed: int) -> Float32Array:
    """Unit vectors of shape (count, dimension); a smaller count is a prefix of a larger one."""
    chance = np.random.default_rng(seed)
    scale = np.arange(1, dimension + 1) ** -DECAY
    centres = chance.standard_normal((CENTRES, dimension)) * scale
    rows = np.empty((count, dimension), np.float32)
    for at in range(0, count, BLOCK):
        which = chance.integers(0, CENTRES, BLOCK)
        block = centres[which] + chance.standard_normal((BLOCK, dimension)) * (SPREAD * scale)
        rows[at : at + BLOCK] = block[: count - at]
    return normalised(rows)


def normalised(rows: Float32Array) -> Float32Array:
    """The rows at unit length; all-zero rows stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Float32Array = (rows / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return unit


def read_vectors(path: Path, limit: int | None = None) -> Float32Array:
    """The unit vectors of a file, shape (n, dimension).

    Raises:
        InputError: an unknown ending, or a file shorter than its header says.
    """
    if path.suffix == ".npy":
        return normalised(np.load(path, mmap_mode="r")[:limit].astype(np.float32))
    kind = _TYPES.get(path.suffix)
    if kind is None:
        raise InputError(f"vectors are read from .fbin, .u8bin or .npy, not {path.name}", code="bad_vectors")
    with path.open("rb") as file:
        count, dimension = (int(n) for n in np.fromfile(file, "<u4", 2))
        wanted = count if limit is None else min(count, limit)
        rows = np.fromfile(file, kind, wanted * dimension)
    if len(rows) != wanted * dimension:
        raise InputError(f"{path.name} is shorter than its header says", code="bad_vectors")
    return normalised(rows.reshape(wanted, dimension).astype(np.float32))


def write_fbin(path: Path, rows: Float32Array) -> None:
    """Write rows of shape (n, dimension) as `.fbin`."""
    with path.open("wb") as file:
        np.array(rows.shape, "<u4").tofile(file)
        rows.astype("<f4").tofile(file)


def exact_neighbours(rows: Float32Array, queries: Float32Array, k: int) -> npt.NDArray[np.int64]:
    """The k rows of largest inner product for each query, best first, shape (queries, k)."""
    found = np.empty((len(queries), k), np.int64)
    for at in range(0, len(queries), 64):
        scores = queries[at : at + 64] @ rows.T
        top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(scores, top, 1), axis=1)
        found[at : at + 64] = np.take_along_axis(top, order, 1)
    return found


def recall(found: list[list[int]], true: npt.NDArray[np.int64]) -> float:
    """The mean share of the true neighbours that were found."""
    k = true.shape[1]
    return float(np.mean([len(set(f[:k]) & set(t.tolist())) / k for f, t in zip(found, true, strict=True)]))
