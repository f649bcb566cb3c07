"""Tables in a narrow terminal."""

import pytest
from rich.console import Console

from ops import console


def test_a_shard_fits_in_eighty_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(console, "out", Console(width=80))
    columns = ["gen", "shard", "node", "state", "items", "graph", "buffer", "dead", "MiB", "lag", "note"]
    console.print_table(columns, [("g1", 0, "n1", "compacting", 123_456, 120_000, 3456, 1234, "512.3", 0, "")])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert len(lines) == 3, "one line for the header, one for the rule, one for the shard"
    assert "note" not in lines[0]
    assert lines[2].split() == ["g1", "0", "n1", "compacting", "123456", "120000", "3456", "1234", "512.3", "0"]
