"""The changes a stream is measured with are what their rows say."""

from itertools import islice

import pytest

from embedder.decode import decode_image
from embedder.fetch import decode_data_url
from ops.bench.stream_changes import ITEMS, KINDS, ChangeKind, changes, seed_changes
from ops.bench.stream_freshness import mixed
from ops.bench.stream_rates import Rate, _rows
from schemas.changes import decode_change, encode_change


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_taken(kind: ChangeKind) -> None:
    made = list(changes(kind, 20, seed=3))
    assert [decode_change(encode_change(change), None) for change in made] == made
    assert {change.op for change in made} == {"patch" if kind == "patch" else "upsert"}
    assert all((change.images is not None) is (kind == "new picture") for change in made)


def test_new_pictures_are_new_and_of_the_size_said() -> None:
    urls = [change.images[0] for change in changes("new picture", 10, seed=3) if change.images]
    assert len(set(urls)) == 10
    pixels = decode_image(decode_data_url(urls[0], 1_000_000), 10_000)
    assert pixels.shape == (64, 64, 3)


def test_every_item_is_seeded_once() -> None:
    assert len({change.item_id for change in seed_changes(1)}) == ITEMS


def test_a_mix_is_the_same_for_a_seed() -> None:
    first, again, other = (list(islice(mixed(300, seed), 300)) for seed in (1, 1, 2))
    assert first == again != other
    shares = [sum(c.op == "patch" for c in first), sum(c.images is not None for c in first)]
    assert 180 <= shares[0] <= 240
    assert 10 <= shares[1] <= 60


def test_promises_are_judged() -> None:
    rates: dict[ChangeKind, Rate] = {kind: Rate(6000.0, 100.0) for kind in KINDS}
    rows = {row.measure: row for row in _rows(rates, Rate(10_000.0, 1.0), 500_000.0)}
    assert rows["patches / no-op Faust agent"].holds is True
    assert rows["upserts, new picture / no-op Faust agent"].holds is True
    slow = {row.measure: row for row in _rows(dict.fromkeys(KINDS, Rate(1400.0, 1.0)), Rate(10_000.0, 1.0), 1.0)}
    assert slow["patches / no-op Faust agent"].holds is False
    assert slow["upserts, new picture / no-op Faust agent"].holds is False
