"""The binary vector record: what is written is what is read, and other bytes are refused, never a crash."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.item_state import Stamp
from schemas.vector_record import (
    LAYOUT_VERSION,
    StageTimes,
    VectorRecord,
    decode_vector_record,
    encode_vector_record,
    make_vector_record,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
STAMPS = st.builds(Stamp, INT64, INT64, INT64, st.integers(0, 2))


def unit_vectors(count: int, dimension: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(STAMPS, st.integers(1, 8), st.integers(1, 64), st.integers(0, 2**32 - 1))
def test_round_trip(stamp: Stamp, pictures: int, dimension: int, seed: int) -> None:
    vectors = unit_vectors(pictures, dimension, seed)
    fingerprints = tuple(bytes([n]) * 16 for n in range(pictures))
    record = make_vector_record(stamp, "model", fingerprints, vectors, StageTimes(1, 2, 3, 4))
    value = encode_vector_record(record)
    assert value[0] == LAYOUT_VERSION
    assert decode_vector_record(value) == record
    np.testing.assert_array_equal(record.matrix(), vectors.astype(np.float16).astype(np.float32))


def test_lengths_are_kept_and_records_from_before_them_are_read() -> None:
    vectors, lengths = unit_vectors(2, 8, 1), [3.5, 0.25]
    record = make_vector_record(Stamp(1, 2, 3, 0), "model", (b"a", b"b"), vectors, StageTimes(), lengths)
    assert decode_vector_record(encode_vector_record(record)).lengths().tolist() == lengths
    before = bytes([LAYOUT_VERSION]) + msgspec.msgpack.encode(msgspec.structs.astuple(record)[:-1])
    old = decode_vector_record(before)
    assert np.isnan(old.lengths()).all()
    np.testing.assert_array_equal(old.matrix(), record.matrix())


def test_delete_marker() -> None:
    marker = VectorRecord(Stamp(1, 2, 3, 2), "model", 512)
    back = decode_vector_record(encode_vector_record(marker))
    assert back.is_delete
    assert back.matrix().shape == (0, 512)


@pytest.mark.parametrize("bad", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 0.0], [3.0, 4.0]])
def test_vectors_that_are_not_unit_length_are_refused(bad: list[float]) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="unit length"):
        make_vector_record(Stamp(0, 0, 0, 0), "m", (b"f",), np.array([bad], np.float32), StageTimes())


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda tail: bytes([LAYOUT_VERSION]) + tail))
def test_other_bytes_are_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"vector record|fp16"):
        decode_vector_record(value)


def test_truncated_record_is_refused() -> None:
    value = encode_vector_record(
        make_vector_record(Stamp(0, 0, 0, 0), "m", (b"f" * 16,), unit_vectors(1, 32, 0), StageTimes())
    )
    for length in range(len(value)):
        with pytest.raises(ValueError, match=r"vector record|fp16"):
            decode_vector_record(value[:length])
