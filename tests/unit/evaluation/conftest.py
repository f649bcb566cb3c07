"""What the tests of `lookalive evaluate` share."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.sample_catalog import draw_catalog

COUNT = 60


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn goods with their `items.csv`; not to be changed."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_catalog(folder, COUNT, seed=3)
    return folder


@pytest.fixture
def evaluate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """The command in this process with few resamples, the model `fake` and a data folder of its own."""
    monkeypatch.setenv("LOOKALIVE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LOOKALIVE_MODEL__NAME", "fake")
    monkeypatch.setenv("LOOKALIVE_IMAGES__CACHE_MIB", "8")

    def run(source: Path, *arguments: object) -> Result:
        flags = ["evaluate", str(source), "--resamples", "200", *map(str, arguments)]
        return CliRunner().invoke(app, flags, catch_exceptions=False)

    return run


@pytest.fixture
def report(evaluate: Callable[..., Result]) -> Callable[..., dict[str, Any]]:
    """What the command prints with --json, where it ends well."""

    def run(source: Path, *arguments: object) -> dict[str, Any]:
        result = evaluate(source, "--json", *arguments)
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    return run
