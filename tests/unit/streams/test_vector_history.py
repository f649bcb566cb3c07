"""Of an item's vector records in any order, the newest counts; what was forgotten does not, and junk never."""

from schemas.item_state import Stamp
from schemas.vector_record import VectorRecord, encode_vector_record
from streams.log_stretches import KeptRecord
from streams.vector_history import histories

MODEL = "m1"


def at(version: int, rank: int = 1) -> Stamp:
    return Stamp(version, 0, version, rank)


def record(offset: int, version: int, pictures: int = 1, model: str = MODEL) -> KeptRecord:
    fingerprints = tuple(bytes([n]) for n in range(pictures))
    made = VectorRecord(at(version), model, 2, fingerprints, b"\0" * 4 * pictures)
    return KeptRecord(offset, b"a", encode_vector_record(made), None)


def null(offset: int, version: int | None) -> KeptRecord:
    return KeptRecord(offset, b"a", None, None if version is None else at(version, 2))


def best(*records: KeptRecord) -> int | None:
    """The offset of what must be written again; None where the log's last record is right."""
    history = histories(records, MODEL)[b"a"]
    return history.best.offset if history.outdone and history.best is not None else None


def test_an_older_record_behind_a_newer_one_is_outdone() -> None:
    assert best(record(0, 1), record(1, 2)) is None
    assert best(record(0, 1), record(1, 2), record(2, 1)) == 1
    assert best(record(0, 1), record(1, 2), record(2, 1), record(3, 2)) is None


def test_of_the_same_pictures_the_record_with_more_counts() -> None:
    assert best(record(0, 1, pictures=3), record(1, 1, pictures=2)) == 0
    assert best(record(0, 1, pictures=2), record(1, 1, pictures=3)) is None


def test_a_null_forgets_what_it_speaks_of() -> None:
    assert best(record(0, 3), null(1, 3)) is None
    assert best(record(0, 3), null(1, 3), record(2, 2)) is None
    assert best(record(0, 5), null(1, 3)) == 0
    assert best(record(0, 5), null(1, None)) == 0


def test_vectors_of_another_space_and_junk_do_not_count() -> None:
    assert best(record(0, 1), record(1, 9, model="m2")) == 0
    assert best(record(0, 1), KeptRecord(1, b"a", b"junk", None)) == 0
    assert best(KeptRecord(0, b"a", b"junk", None)) is None


def test_an_earlier_stretch_is_taken_in() -> None:
    earlier, later = histories([record(0, 2)], MODEL), histories([record(7, 1)], MODEL)
    history = later[b"a"].after(earlier[b"a"])
    assert history.outdone
    assert history.best is not None
    assert history.best.offset == 0
    assert not earlier[b"a"].after(later[b"a"]).outdone
