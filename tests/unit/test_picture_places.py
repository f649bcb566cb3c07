"""Places of pictures: remembered over restarts, bounded, and what is asked for stays."""

import hashlib
from pathlib import Path

from embedder.bounded_store import LEAST_BYTES, BoundedStore
from embedder.image_store import DIGEST_BYTES, PACK_NAME_BYTES
from embedder.picture_places import AVERAGE_BYTES, PicturePlaces, Place, open_places


def digest(number: int) -> str:
    return hashlib.blake2b(b"%d" % number, digest_size=DIGEST_BYTES).hexdigest()


def place(number: int) -> Place:
    return Place(digest(-number)[: 2 * PACK_NAME_BYTES], 7 * number, number)


def test_places_are_there_after_a_restart(tmp_path: Path) -> None:
    places = open_places(tmp_path / "places")
    kept = {digest(number): place(number) for number in range(100)}
    places.keep(kept)
    places.close()
    places = open_places(tmp_path / "places")
    assert places.find([*kept, digest(1000)]) == kept
    assert places.find([]) == {}
    places.close()


def test_what_is_asked_for_stays_and_what_nobody_asks_for_goes(tmp_path: Path) -> None:
    store = BoundedStore(tmp_path / "places", LEAST_BYTES)
    places = PicturePlaces(store)
    places.keep({digest(0): place(0), digest(1): place(1)})
    count = 6 * LEAST_BYTES // AVERAGE_BYTES
    for start in range(2, count, 1000):
        places.keep({digest(number): place(number) for number in range(start, start + 1000)})
        assert places.find([digest(0)]) == {digest(0): place(0)}
    assert places.find([digest(1)]) == {}
    assert store.size_bytes() <= 2 * LEAST_BYTES
    places.close()


def test_a_damaged_note_is_no_place(tmp_path: Path) -> None:
    store = BoundedStore(tmp_path / "places", LEAST_BYTES)
    places = PicturePlaces(store)
    places.keep({digest(1): place(1)})
    store.put({bytes.fromhex(digest(2)): b"short"})
    assert places.find([digest(1), digest(2)]) == {digest(1): place(1)}
    places.close()
