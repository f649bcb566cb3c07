"""`lookalive train`: from drawn pictures to a checkpoint that `lookalive evaluate` takes; bad flags in one line."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.sample_catalog import draw_catalog

COUNT = 60
SMALL = [
    *("--backbone", "test_resnet", "--size", 32, "--hidden", 16, "--dimension", 16, "--epochs", 2),
    *("--kinds", 4, "--per-kind", 2, "--warmup-epochs", 0),
]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn goods with their `items.csv`; not to be changed."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_catalog(folder, COUNT, seed=3)
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    monkeypatch.setenv("LOOKALIVE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LOOKALIVE_MODEL__DEVICE", "cpu")

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)

    return call


def reported(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_checkpoint_a_report_and_an_evaluation(drawn: Path, run: Callable[..., Result], tmp_path: Path) -> None:
    out = tmp_path / "own.safetensors"
    report = reported(run("train", drawn, "--out", out, *SMALL, "--json"))
    setting, made = report["setting"], report["checkpoint"]
    assert setting["pictures"] == COUNT
    assert setting["held_out"] == 12
    assert setting["trained_on"] + setting["validated_on"] + setting["held_out"] + setting["twins"] == COUNT
    assert [one["epoch"] for one in report["curves"]] == [0, 1]
    assert all({"mAP", "precision@10", "found@5"} <= one["measures"].keys() for one in report["curves"])
    assert made["size_bytes"] == out.stat().st_size
    assert json.loads((tmp_path / "own.json").read_text()) == report
    assert not (tmp_path / "own.safetensors.state").exists()
    judged = reported(run("evaluate", drawn, "--model", f"checkpoint={out}", "--resamples", 200, "--json"))
    assert judged["model"]["fingerprint"] == made["fingerprint"]
    assert judged["model"]["dimension"] == made["dimension"] == 16
    assert judged["setting"]["held_out"] == setting["held_out"]


def test_the_same_command_makes_the_same_model_and_a_recipe_says_it_all(
    drawn: Path, run: Callable[..., Result], tmp_path: Path
) -> None:
    flags = ["--augment", "least_area=0.5", "--objective", "category:triplet-hard", "--margin", 0.3]
    first = reported(run("train", drawn, "--out", tmp_path / "a.safetensors", *SMALL, *flags, "--json"))
    (tmp_path / "recipe.json").write_text(json.dumps(first["recipe"]))
    second = reported(
        run("train", drawn, "--out", tmp_path / "b.safetensors", "--recipe", tmp_path / "recipe.json", "--json")
    )
    assert first["recipe"]["augmentation"]["least_area"] == 0.5
    assert first["recipe"] == second["recipe"]
    assert first["checkpoint"]["fingerprint"] == second["checkpoint"]["fingerprint"]


def test_what_is_held_out_never_teaches_under_another_name(
    drawn: Path, run: Callable[..., Result], tmp_path: Path
) -> None:
    with (drawn / "items.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    twice = [{**row, "image": str(drawn / row["image"])} for row in rows]
    twice += [{**row, "item_id": f"again {row['item_id']}", "group_id": f"of {n}"} for n, row in enumerate(twice)]
    path = tmp_path / "twice.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(twice[0]))
        writer.writeheader()
        writer.writerows(twice)
    report = reported(run("train", path, "--out", tmp_path / "own.safetensors", *SMALL, "--epochs", 1, "--json"))
    assert report["setting"]["twins"] > 0
    assert report["setting"]["pictures"] == 2 * COUNT


def test_pictures_that_cannot_be_read_are_named_and_left_out(
    drawn: Path, run: Callable[..., Result], tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    shutil.copytree(drawn, folder)
    with (folder / "items.csv").open(newline="") as file:
        first = next(iter(csv.DictReader(file)))
    (folder / first["image"]).write_bytes(b"no picture")
    report = reported(run("train", folder, "--out", tmp_path / "o.safetensors", *SMALL, "--epochs", 1, "--json"))
    assert report["setting"]["left_out_count"] == 1
    assert first["item_id"] in report["setting"]["left_out"][0]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--objective", "category:softmax"], "supcon, infonce"),
        (["--objective", "category:supcon:-1"], "POSITIVES:LOSS"),
        (["--augment", "rain=1"], "least_area"),
        (["--augment", "mirror=2"], "--augment"),
        (["--recipe", "none.json"], "none.json"),
        (["--backbone", "no_such_net"], "no_such_net"),
        (["--start", "none.safetensors"], "none.safetensors"),
        (["--share", "1"], "--share"),
        (["--out", "own.pt"], ".safetensors"),
        (["--category", "nothing"], "at least two kinds"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    drawn: Path, run: Callable[..., Result], tmp_path: Path, flags: list[str], words: str
) -> None:
    result = run("train", drawn, "--out", tmp_path / "own.safetensors", *SMALL, *flags)
    assert result.exit_code == 1
    assert words in result.output.replace("\n", " ")
    assert "Traceback" not in result.output
    assert not (tmp_path / "own.safetensors").exists()
