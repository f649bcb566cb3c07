"""A small graph is the same after a restart, goes on from there, and refuses files that are torn or not its own."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index_shards.faiss_api import faiss
from index_shards.small_graph import SmallGraph, originals_path
from tests.unit.small.small_vectors import filled, found_by, generation, ordinals_of, originals, put, recall

COUNT, QUERIES, DIMENSION = 3000, 30, 64


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return originals(COUNT + QUERIES, DIMENSION)


@pytest.fixture(scope="module")
def graph(rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> SmallGraph:
    return filled(tmp_path_factory.mktemp("work"), rows[:COUNT])


@pytest.fixture
def written(graph: SmallGraph, tmp_path: Path) -> Path:
    assert np.array_equal(graph.write(tmp_path / "graph.faiss"), ordinals_of(np.arange(COUNT)))
    return tmp_path / "graph.faiss"


def load(path: Path, count: int = COUNT) -> SmallGraph:
    return SmallGraph.load(generation(DIMENSION), path, ordinals_of(np.arange(count)), path.parent / "again")


def test_the_same_and_goes_on(rows: np.ndarray, written: Path) -> None:
    graph = load(written)
    assert not graph.wants_training
    everywhere = np.random.default_rng(1).permutation(COUNT)
    assert np.array_equal(graph.vectors(everywhere), rows[everywhere])
    put(graph, rows[COUNT:])
    assert np.array_equal(graph.vectors(np.arange(COUNT, COUNT + QUERIES)), rows[COUNT:])
    assert found_by(graph, rows[COUNT]).best(1) == [ordinals_of(COUNT)]
    assert recall(graph, rows, rows[COUNT:]) >= 0.97

    graph.write(written.with_name("second"))
    again = load(written.with_name("second"), COUNT + QUERIES)
    assert recall(again, rows, rows[COUNT:]) >= 0.97


def test_forgotten_stays_forgotten(rows: np.ndarray, written: Path) -> None:
    ordinals = ordinals_of(np.arange(COUNT))
    ordinals[5] = 0
    graph = SmallGraph.load(generation(DIMENSION), written, ordinals, written.parent)
    assert graph.forgotten == 1
    assert graph.places.position(int(ordinals_of(5))) is None
    assert graph.places.position(int(ordinals_of(6))) == 6


def test_a_larger_one_takes_the_place_of_a_loaded_one(rows: np.ndarray, written: Path) -> None:
    """The copy must not lean on what the one before it owned."""
    graph = load(written)
    for _ in range(3):
        graph.make_room(0, threading.RLock(), capacity=2 * len(graph.places.ordinals))
    put(graph, rows[COUNT:])
    assert recall(graph, rows, rows[COUNT:]) >= 0.97


def test_the_working_file_has_no_name(written: Path) -> None:
    graph = load(written)
    assert len(graph) == COUNT
    assert not list((written.parent / "again").iterdir())


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a byte short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "a row short": lambda path: path.write_bytes(path.read_bytes()[2 * DIMENSION :]),
    "a trailer short": lambda path: path.write_bytes(path.read_bytes()[:-24]),
    "grown": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "emptied": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_torn_originals_are_refused(written: Path, damage: str) -> None:
    DAMAGE[damage](originals_path(written))
    with pytest.raises(ValueError, match="originals"):
        load(written)


def test_originals_of_another_graph_are_refused(written: Path, tmp_path: Path) -> None:
    other = filled(tmp_path / "other", originals(COUNT, DIMENSION, seed=9))
    other.write(tmp_path / "other.faiss")
    originals_path(written).write_bytes(originals_path(tmp_path / "other.faiss").read_bytes())
    with pytest.raises(ValueError, match="holds other vectors"):
        load(written)


def test_another_count_kind_or_dimension_is_refused(rows: np.ndarray, written: Path) -> None:
    with pytest.raises(ValueError, match="3000 codes, 3000 originals, 2999 ordinals"):
        load(written, COUNT - 1)
    with pytest.raises(ValueError, match="64 dimensions"):
        SmallGraph.load(generation(32), written, ordinals_of(np.arange(COUNT)), written.parent)
    plain = faiss.IndexHNSWFlat(DIMENSION, 8)
    plain.add(rows[:COUNT])
    faiss.write_index(plain, str(written))
    with pytest.raises(ValueError, match="holds IndexHNSWFlat"):
        load(written)
