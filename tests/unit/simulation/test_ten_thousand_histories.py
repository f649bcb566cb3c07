"""Ten thousand short histories of a modelled cluster: kills, late views, commands broken off, several at once."""

import pytest

from ops.simulation.history import History

HISTORIES, BLOCK = 10_000, 250


@pytest.mark.parametrize("first", range(0, HISTORIES, BLOCK))
def test_no_history_breaks_what_must_hold(first: int) -> None:
    checked = 0
    for seed in range(first, first + BLOCK):
        history = History(seed)
        try:
            history.run()
        except Exception as error:
            error.add_note(f"replay it with: lookalive simulate --seed {seed}")
            raise
        checked += history.checked
    assert checked > 50 * BLOCK
