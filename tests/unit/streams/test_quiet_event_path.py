"""Faust's watch over partitions says nothing of ours: it would call batches that are acknowledged a hanging agent."""

import logging

import pytest
from faust.types import TP

from streams.prompt_transport import PromptConsumerThread


class Started(PromptConsumerThread):
    """A consumer thread that has run for long and fetched nothing, as far as Faust can see."""

    def __init__(self) -> None:
        self.time_started = -1e9


@pytest.mark.parametrize("check", ["verify_event_path", "verify_recovery_event_path"])
def test_nothing_is_said_after_a_long_time(check: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        getattr(Started(), check)(0.0, TP("items.state", 0))
    assert not caplog.records
