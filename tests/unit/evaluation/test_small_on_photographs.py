"""`lookalive-small` on the photographs that were held out of its training, beside `histogram`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PHOTOGRAPHS = Path(__file__).parents[4] / "shared" / "data" / "clothing"

pytestmark = [
    pytest.mark.skipif(
        not (PHOTOGRAPHS / "items.csv").is_file(), reason=f"no photographs at {PHOTOGRAPHS}: part skipped"
    ),
    pytest.mark.timeout(900),
]


def test_it_beats_the_histogram_on_what_it_never_saw(report: Callable[..., Any]) -> None:
    models = ("--model", "lookalive-small", "--baseline", "histogram")
    found = report(PHOTOGRAPHS, *models, "--robustness", "--changed", 40, "--resamples", 1000)
    assert found["setting"]["held_out"] == 614
    rows = {row["measure"]: row for row in found["rows"] if row["part"] in ("all", "robustness")}
    for measure in ("mAP", "precision@10"):
        assert rows[measure]["apart"]
        assert rows[measure]["difference"]["low"] > 0
    assert rows["found@5"]["model"]["value"] > 0.9
