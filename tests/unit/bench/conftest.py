"""What the tests of the benchmarks share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ops.cli import app


@pytest.fixture
def lookalive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """The command in this process, with a data folder of its own."""
    monkeypatch.setenv("LOOKALIVE_DATA_DIR", str(tmp_path / "data"))
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])
