"""A worker runs the agents that its settings name, and says what may be named."""

import pytest

from schemas.errors import SettingsError
from schemas.settings import load_settings
from streams.worker import StreamWorker

NAME = "LOOKALIVE_STREAM__AGENTS"


@pytest.mark.parametrize("text", ["", "merge,embde", "everything"])
def test_unknown_agents_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=NAME):
        StreamWorker(load_settings({NAME: text}))


def test_one_agent_or_all_are_taken() -> None:
    assert load_settings({}).stream.agents == ("merge", "embed", "drift")
    assert load_settings({NAME: "merge"}).stream.agents == ("merge",)
