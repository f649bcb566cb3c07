"""Pictures that were just put: taken once, bounded by their bytes, read from the folder otherwise."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from embedder.fresh_pictures import FreshPictures
from embedder.image_store import ImageStore


@given(
    steps=st.lists(st.tuples(st.sampled_from("abcd"), st.binary(max_size=6) | st.none()), max_size=40),
    max_bytes=st.integers(0, 12),
)
def test_a_picture_is_taken_once_and_the_bound_holds(steps: list[tuple[str, bytes | None]], max_bytes: int) -> None:
    fresh = FreshPictures(max_bytes)
    oracle: dict[str, bytes] = {}
    for name, data in steps:
        if data is None:
            assert fresh.take(name) == oracle.pop(name, None)
            continue
        fresh.keep({name: data})
        oracle.pop(name, None)
        oracle[name] = data
        while sum(map(len, oracle.values())) > max_bytes:
            del oracle[next(iter(oracle))]
    assert {name: fresh.take(name) for name in oracle} == oracle


def test_what_is_not_fresh_any_more_is_read_from_the_folder(tmp_path: Path) -> None:
    store = ImageStore(tmp_path, FreshPictures(100))
    first, second = store.put_all([b"first", b"second"])
    assert [store.read(first), store.read(first), store.read(second)] == [b"first", b"first", b"second"]
    (large,) = store.put_all([b"x" * 101])
    assert store.read(large) == b"x" * 101
