"""A signal that comes at any moment of a wait is heard, by everyone who waits."""

import os
import signal
import sys
import threading
import time
from typing import cast

import pytest

from ops.running import started
from ops.stop_signal import Interrupted, Stop, stopped_by_signals
from ops.supervisor import Supervisor


def test_everyone_who_waits_is_woken() -> None:
    stop, woken = Stop(), []
    threads = [threading.Thread(target=lambda: woken.append(stop.wait(60))) for _ in range(3)]
    for thread in threads:
        thread.start()
    stop.set()
    stop.set()
    for thread in threads:
        thread.join(60)
    assert woken == [True] * 3
    assert stop.is_set()
    assert stop.wait(0)


def test_nothing_is_set_without_a_signal() -> None:
    assert not Stop().wait(0)


def test_a_signal_in_the_middle_of_any_step_of_a_wait_ends_it() -> None:
    # A handler runs between two steps of the interpreter: let it run after each that there is, once.
    before = signal.getsignal(signal.SIGTERM)
    sent_after = 1
    while _heard(sent_after):
        sent_after += 1
    assert sent_after > 3
    assert signal.getsignal(signal.SIGTERM) is before


def _heard(sent_after: int) -> bool:
    """Wait with a signal after so many steps; False when the wait has fewer."""
    steps = 0

    def trace(frame: object, event: str, arg: object) -> object:
        nonlocal steps
        steps += 1
        if steps == sent_after:
            os.kill(os.getpid(), signal.SIGTERM)
        return trace

    with stopped_by_signals() as stop:
        sys.settrace(trace)
        try:
            stop.wait(0.001)
        finally:
            sys.settrace(None)
        assert stop.wait(0) == (sent_after <= steps)
        return sent_after <= steps


class WaitsForKafka:
    """A supervisor whose start waits for something that does not come."""

    def __init__(self) -> None:
        self.stopped = False

    def start(self) -> None:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        try:
            while True:
                time.sleep(60)
        except BaseException:
            self.stopped = True
            raise


def test_a_start_that_waits_is_broken_off() -> None:
    supervisor = WaitsForKafka()
    with stopped_by_signals() as stop:
        assert started(cast(Supervisor, supervisor), stop) is None
        assert stop.is_set()
        # A second signal breaks nothing off any more.
        os.kill(os.getpid(), signal.SIGTERM)
    assert supervisor.stopped


def test_a_signal_from_before_breaks_it_off_at_once() -> None:
    stop = Stop()
    stop.set()
    with pytest.raises(Interrupted), stop.interrupting():
        pytest.fail("it began")
