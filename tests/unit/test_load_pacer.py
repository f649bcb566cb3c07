"""The pacer's thread and the writer it paces: broken looks, waiting, and going on."""

import time

import pytest

from ops import load_pacer
from ops.load_lag import Lag
from ops.load_pacer import LoadPacer
from ops.load_window import FIRST_ROWS
from schemas.errors import NotReady


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_pacer, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(load_pacer, "WAIT_S", 0.01)


def test_more_than_the_window_waits_for_what_is_done() -> None:
    applied = 0

    def look() -> Lag:
        nonlocal applied
        if waits:
            applied = pacer.book.sent
        return Lag(pacer.book.sent, pacer.book.sent - applied)

    waits: list[int] = []
    pacer = LoadPacer(look, lambda: 0, enforced=True, on_wait=lambda: waits.append(1))
    pacer.start()
    assert list(pacer.paced(range(3 * FIRST_ROWS))) == list(range(3 * FIRST_ROWS))
    assert waits
    deadline = time.monotonic() + 10
    while pacer.words(3 * FIRST_ROWS) != f"{3 * FIRST_ROWS} applied" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert pacer.words(3 * FIRST_ROWS) == f"{3 * FIRST_ROWS} applied"
    pacer.stop()


def test_nobody_to_ask_leaves_the_window_as_it_is() -> None:
    asked = 0

    def look() -> Lag:
        nonlocal asked
        asked += 1
        if asked < 5:
            raise NotReady("no broker")
        return Lag(pacer.book.sent)

    waits: list[int] = []
    pacer = LoadPacer(look, lambda: 0, enforced=True, on_wait=lambda: waits.append(1))
    pacer.start()
    for _ in range(FIRST_ROWS + 1):
        pacer.wait()
    assert asked >= 5
    assert waits
    pacer.stop()


def test_an_unpaced_writer_never_waits() -> None:
    pacer = LoadPacer(lambda: Lag(10**6, 10**6), lambda: 0, enforced=False, on_wait=lambda: pytest.fail("it waited"))
    pacer.start()
    for _ in range(100 * FIRST_ROWS):
        pacer.wait()
    pacer.stop()


def test_a_look_that_breaks_ends_the_load_with_its_reason() -> None:
    def look() -> Lag:
        raise KeyError("unforeseen")

    pacer = LoadPacer(look, lambda: 0, enforced=True, on_wait=lambda: None)
    pacer.start()
    with pytest.raises(KeyError, match="unforeseen"):
        list(pacer.paced(range(10 * FIRST_ROWS)))
    pacer.stop()
