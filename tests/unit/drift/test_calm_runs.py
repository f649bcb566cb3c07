"""Twenty runs in which nothing changes: not one alarm, in windows that overlap, over catalogue and queries."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from schemas.drift_records import Source


@pytest.mark.parametrize("seed", range(20))
def test_nothing_moves_and_nothing_is_said(
    seed: int, watched: Callable[..., Any], unit_rows: Callable[..., Any]
) -> None:
    sources: tuple[Source, ...] = ("catalogue", "queries")
    for number, source in enumerate(sources):
        vectors, lengths = unit_rows(1000 * seed + number, 2000)
        scores = None if source == "catalogue" else np.random.default_rng(seed).beta(8, 2, len(vectors))
        looks = watched(48, source).feed(vectors, lengths, scores)
        assert [look for look in looks if look.judgement.alarms] == []
        assert {look.judgement.state for look in looks} == {"collecting", "filling", "calm"}
        last = looks[-1].judgement
        assert last.mean_psi == pytest.approx(last.chance_psi, abs=0.02)
        assert (last.score_psi is None) == (source == "catalogue")
        assert last.norm_psi is not None
