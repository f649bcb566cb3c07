"""Real photographs, a small sample of them: the honest baseline is better than chance and than the model for tests."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PHOTOGRAPHS = Path(__file__).parents[4] / "shared" / "data" / "clothing"
EVERY = 25

pytestmark = pytest.mark.skipif(
    not (PHOTOGRAPHS / "items.csv").is_file(), reason=f"no photographs at {PHOTOGRAPHS}: part skipped"
)


def test_histogram_finds_photographs_of_the_same_category(tmp_path: Path, report: Callable[..., Any]) -> None:
    with (PHOTOGRAPHS / "items.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[::EVERY]
    sample = tmp_path / "sample.csv"
    with sample.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["item_id", "category", "image"])
        writer.writeheader()
        writer.writerows({**row, "image": str(PHOTOGRAPHS / row["image"])} for row in rows)

    found = report(sample, "--share", 1, "--model", "histogram", "--baseline", "fake", "--robustness", "--changed", 20)
    assert found["setting"]["left_out"] == []
    values = {row["measure"]: row for row in found["rows"] if row["part"] in ("all", "robustness")}
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["category"]] = counts.get(row["category"], 0) + 1
    chance = sum(count * (count - 1) for count in counts.values()) / (len(rows) * (len(rows) - 1))
    assert values["precision@10"]["model"]["low"] > chance
    assert values["mAP"]["difference"]["low"] > 0
    assert values["found@5"]["model"]["value"] > 0.9
