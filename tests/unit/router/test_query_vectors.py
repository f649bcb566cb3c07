"""A caller's vector becomes a unit vector or a refusal; times become ISO 8601."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_router.search import iso_time, unit_vector
from schemas.errors import InputError

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite, min_size=3, max_size=3).filter(any))
def test_length_is_one_and_direction_kept(values: list[float]) -> None:
    vector = unit_vector(tuple(values), 3)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector.astype(np.float64)) == pytest.approx(1, abs=1e-6)
    assert all(v == 0 or np.sign(v) == np.sign(w) for v, w in zip(vector, values, strict=True))


@pytest.mark.parametrize("largest", [sys.float_info.max, 5e-324])
def test_neither_overflow_nor_underflow(largest: float) -> None:
    assert unit_vector((largest, largest), 2).tolist() == pytest.approx([0.5**0.5] * 2)


@pytest.mark.parametrize("values", [(), (1.0,), (1.0, 2.0, 3.0), (0.0, 0.0), (-0.0, 0.0), (float("nan"), 1.0)])
def test_what_has_no_direction_or_another_dimension_is_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(InputError):
        unit_vector(values, 2)


@pytest.mark.parametrize(
    ("time_us", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_732_190_000_123_456, "2024-11-21T11:53:20.123456Z"),
        (2**63 - 1, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times(time_us: int, text: str) -> None:
    assert iso_time(time_us) == text
