"""`lookalive evaluate` with the model of a generation that is being served."""

from pathlib import Path

from ops.sample_catalog import draw_catalog
from tests.process.conftest import RunningSystem


def test_a_generation_is_judged_by_the_model_it_was_made_with(system: RunningSystem, tmp_path: Path) -> None:
    draw_catalog(tmp_path, 24, seed=5)
    judging = ("evaluate", str(tmp_path), "--share", "1", "--resamples", "100")

    found = system.lookalive(*judging, "--model", "histogram", "--baseline", "generation:g1")
    assert (found["model"]["name"], found["baseline"]["name"]) == ("histogram", "fake")
    assert found["baseline"]["said"] == "generation:g1"

    words = " ".join(system.lookalive_words(*judging, "--model", "generation:g9").split())
    assert "there is no generation 'g9'; there are: g1" in words
