"""Files of vectors: what is written is read, and what is broken is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.bench.vectors import hard_mixture, normalised, read_vectors, write_fbin
from schemas.errors import InputError


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 40), dimension=st.integers(2, 20), limit=st.none() | st.integers(1, 50))
def test_fbin_round_trip(
    tmp_path_factory: pytest.TempPathFactory, count: int, dimension: int, limit: int | None
) -> None:
    path = tmp_path_factory.mktemp("fbin") / "v.fbin"
    rows = hard_mixture(count, dimension, 1)
    write_fbin(path, rows)
    read = read_vectors(path, limit)
    assert read.shape == rows[:limit].shape
    assert np.allclose(read, rows[:limit], atol=1e-6)


def test_fbin_is_laid_out_as_others_write_it(tmp_path: Path) -> None:
    write_fbin(tmp_path / "v.fbin", np.array([[0.6, 0.8], [1.0, 0.0]], np.float32))
    written = (tmp_path / "v.fbin").read_bytes()
    assert written == np.array([2, 2], "<u4").tobytes() + np.array([0.6, 0.8, 1.0, 0.0], "<f4").tobytes()


def test_bytes_come_to_unit_length(tmp_path: Path) -> None:
    cells = np.array([[3, 4], [0, 255]], np.uint8)
    (tmp_path / "v.u8bin").write_bytes(np.array([2, 2], "<u4").tobytes() + cells.tobytes())
    assert np.allclose(read_vectors(tmp_path / "v.u8bin"), [[0.6, 0.8], [0.0, 1.0]])


def test_npy_is_read_up_to_the_limit(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).standard_normal((7, 3))
    np.save(tmp_path / "v.npy", rows)
    assert np.allclose(read_vectors(tmp_path / "v.npy", 4), normalised(rows[:4]))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("v.fbin", b"", "no header"),
        ("v.fbin", np.array([3, 2], "<u4").tobytes() + bytes(8), "shorter"),
        ("v.txt", b"1 2 3", "vectors are .fbin"),
        ("v.npy", b"no array", "cannot be read"),
        ("v.fbin", np.array([1, 2], "<u4").tobytes() + bytes(8), "row 0 of v.fbin has no direction"),
        ("v.fbin", np.array([1, 2], "<u4").tobytes() + np.array([1, np.nan], "<f4").tobytes(), "no direction"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_vectors(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_vectors(tmp_path / "v.fbin")
