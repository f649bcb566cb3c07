"""`lookalive evaluate` on drawn pictures: what is asked of what, figures, thresholds and errors."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Report = Callable[..., dict[str, Any]]
Evaluate = Callable[..., Result]
COUNT = 60


def rows_of(report: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["part"], row["measure"]): row for row in report["rows"]}


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "items.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def with_table(drawn: Path, folder: Path, rows: list[dict[str, str]]) -> Path:
    """The drawn pictures under another table."""
    path = folder / "other.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "image": str(drawn / row["image"])} for row in rows)
    return path


def test_every_figure_is_a_share_within_its_interval(drawn: Path, report: Report) -> None:
    found = report(drawn, "--share", 1)
    assert (found["setting"]["pictures"], found["setting"]["queries"], found["setting"]["gallery"]) == (COUNT,) * 3
    rows = rows_of(found)
    for row in rows.values():
        model = row["model"]
        if row["queries"]:
            assert 0 <= model["value"] <= 1
        if model["low"] is not None:
            assert model["low"] <= model["value"] + 1e-12
            assert model["value"] <= model["high"] + 1e-12
    assert rows["all", "mAP"]["queries"] == COUNT - found["setting"]["without_relevant"]
    assert rows["popular", "mAP"]["queries"] + rows["rare", "mAP"]["queries"] == rows["all", "mAP"]["queries"]
    categories = {row["category"] for row in table(drawn)}
    assert {f"category={name}" for name in categories} <= {part for part, _ in rows}


def test_the_same_again_is_the_same_and_embeds_nothing(drawn: Path, report: Report) -> None:
    first, second = report(drawn, "--robustness"), report(drawn, "--robustness")
    assert first["rows"] == second["rows"]
    assert (first["model"]["cached"], second["model"]["cached"]) == (0, second["model"]["vectors"])


def test_a_held_out_fifth_keeps_products_together(drawn: Path, report: Report) -> None:
    setting = report(drawn)["setting"]
    sizes: dict[str, int] = {}
    for row in table(drawn):
        sizes[row["group_id"]] = sizes.get(row["group_id"], 0) + 1
    assert COUNT // 5 <= setting["held_out"] < COUNT // 5 + max(sizes.values())
    assert setting["queries"] == setting["gallery"] == setting["held_out"]
    rest = report(drawn, "--gallery", "rest")["setting"]
    assert (rest["queries"], rest["gallery"]) == (setting["held_out"], COUNT - setting["held_out"])
    assert report(drawn, "--gallery", "all", "--queries", 7)["setting"]["queries"] == 7


def test_a_model_beside_itself_and_beside_another(drawn: Path, report: Report) -> None:
    same = rows_of(report(drawn, "--share", 1, "--baseline", "fake"))["all", "mAP"]
    assert (same["difference"]["low"], same["difference"]["high"], same["apart"]) == (0, 0, False)
    found = report(drawn, "--share", 1, "--model", "histogram", "--baseline", "fake")
    assert (found["model"]["name"], found["baseline"]["name"]) == ("histogram", "fake")
    row = rows_of(found)["all", "mAP"]
    assert row["difference"]["value"] == pytest.approx(row["model"]["value"] - row["baseline"]["value"])
    assert row["ratio"]["value"] == pytest.approx(row["model"]["value"] / row["baseline"]["value"])


def test_products_can_be_all_that_is_relevant(drawn: Path, report: Report) -> None:
    found = report(drawn, "--share", 1, "--relevant-from", 5)
    sizes: dict[str, int] = {}
    for row in table(drawn):
        sizes[row["group_id"]] = sizes.get(row["group_id"], 0) + 1
    with_siblings = sum(size for size in sizes.values() if size > 1)
    assert rows_of(found)["all", "mAP"]["queries"] == with_siblings > 0


def test_judgements_take_the_place_of_categories(drawn: Path, tmp_path: Path, report: Report) -> None:
    ids = [row["item_id"] for row in table(drawn)]
    path = tmp_path / "judged.csv"
    path.write_text(f"query_id,item_id,grade\n{ids[0]},{ids[1]},5\n{ids[0]},{ids[2]},0\n{ids[3]},{ids[4]},0\n")
    found = report(drawn, "--judgements", path, "-k", COUNT)
    setting = found["setting"]
    assert (setting["queries"], setting["gallery"], setting["without_relevant"]) == (2, COUNT, 1)
    row = rows_of(found)["all", f"recall@{COUNT}"]
    assert (row["queries"], row["model"]["value"]) == (1, 1.0)


def test_the_newest_are_held_out_where_all_have_a_time(drawn: Path, tmp_path: Path, report: Report) -> None:
    rows = [{**row, "event_time": f"2026-01-01T00:{n:02d}:00Z"} for n, row in enumerate(table(drawn))]
    source = with_table(drawn, tmp_path, rows)
    assert report(source)["setting"]["split"] == "time"
    assert report(source, "--split", "group")["setting"]["split"] == "group"


def test_a_column_says_what_is_popular(drawn: Path, tmp_path: Path, report: Report) -> None:
    rows = [{**row, "sold": str(n)} for n, row in enumerate(table(drawn))]
    found = report(with_table(drawn, tmp_path, rows), "--share", 1, "--popularity", "sold")
    parts = {row["part"] for row in found["rows"] if row["measure"] == "mAP" and row["queries"]}
    assert {"popular", "rare"} <= parts


def test_changed_pictures_are_looked_for(drawn: Path, report: Report) -> None:
    found = rows_of(report(drawn, "--share", 1, "--robustness", "--changed", 10))
    shares = {measure: row for (part, measure), row in found.items() if part == "robustness"}
    changes = ("crop", "mirror", "JPEG 40", "darker", "brighter")
    assert list(shares) == ["found@5", *(f"found@5/{change}" for change in changes)]
    assert all(row["queries"] == 10 for row in shares.values())
    mean = sum(shares[f"found@5/{change}"]["model"]["value"] for change in changes) / len(changes)
    assert shares["found@5"]["model"]["value"] == pytest.approx(mean)
    assert shares["found@5/JPEG 40"]["model"]["value"] == 1.0


def test_thresholds_decide_the_exit_status(drawn: Path, evaluate: Evaluate) -> None:
    assert evaluate(drawn, "--at-least", "mAP=0").exit_code == 0
    broken = evaluate(drawn, "--at-least", "mAP=0", "--at-least", "precision@10=1.01")
    assert broken.exit_code == 1
    assert "precision@10 >= 1.01" in broken.stdout
    assert "BROKEN" in broken.stdout
    as_json = evaluate(drawn, "--baseline", "fake", "--at-least", "mAP=1.5x", "--json")
    (bound,) = json.loads(as_json.stdout)["bounds"]
    assert (as_json.exit_code, bound["value"], bound["holds"]) == (1, 1.0, False)


def test_pictures_that_cannot_be_read_are_left_out_and_named(drawn: Path, tmp_path: Path, report: Report) -> None:
    folder = tmp_path / "some"
    shutil.copytree(drawn, folder)
    first = table(folder)[0]
    (folder / first["image"]).write_bytes(b"no picture")
    setting = report(folder, "--share", 1)["setting"]
    assert (setting["queries"], setting["left_out_count"]) == (COUNT - 1, 1)
    assert setting["left_out"][0].startswith(f"{first['item_id']}: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--category", "none", "--group", "none"], "nothing says what is relevant"),
        (["--popularity", "none"], "no item has such a column"),
        (["--popularity", "title"], "must be a number"),
        (["--split", "time"], "needs a column event_time"),
        (["--at-least", "mAP"], "MEASURE=NUMBER"),
        (["--at-least", "map=0.1"], "no measure 'map'"),
        (["--at-least", "mAP=2x"], "name one with --baseline"),
        (["--model", "unheard-of"], "unknown model 'unheard-of'"),
        (["--model", "generation:g1"], "nothing runs with the data folder"),
        (["--share", "0"], "too few"),
        (["--page", "/nowhere/page.html"], "in a folder that is there"),
        (["--relevant-from", "2", "--group-grade", "1"], "above every grade"),
        (["--judgements", "/nowhere.csv"], "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    drawn: Path, evaluate: Evaluate, arguments: list[str], words: str
) -> None:
    result = evaluate(drawn, *arguments)
    assert result.exit_code == 1
    assert words in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.output
    assert json.loads(evaluate(drawn, *arguments, "--json").stdout)["error"]["message"]


def test_a_source_that_is_not_there(tmp_path: Path, evaluate: Evaluate) -> None:
    result = evaluate(tmp_path / "none")
    assert result.exit_code == 1
    assert "there is no file or folder" in result.stderr
