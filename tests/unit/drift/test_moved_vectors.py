"""What moves is found within 500 items, and named: vectors, their lengths, scores, dimensions that die."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

CALM = 1500


def first_alarm(looks: list[Any], since: int) -> tuple[int, list[str]]:
    """After how many items since the shift the first alarm came, and the alarms of the last look."""
    assert not [look for look in looks if look.items <= since and look.judgement.alarms]
    first = next(look.items - since for look in looks if look.judgement.alarms)
    return first, looks[-1].judgement.alarms


def test_vectors_that_move(watched: Callable[..., Any], unit_rows: Callable[..., Any]) -> None:
    (calm, lengths), (moved, longer) = unit_rows(1, CALM), unit_rows(2, 500, shift=2.5)
    looks = watched(48).feed(np.vstack([calm, moved]), np.concatenate([lengths, longer]))
    after, alarms = first_alarm(looks, CALM)
    assert after <= 500
    assert "dimensions" in alarms
    last = looks[-1].judgement
    assert last.worst[0].psi == max(last.psi)
    assert last.psi[last.worst[0].dimension] == last.worst[0].psi


def test_lengths_that_move_alone(watched: Callable[..., Any], unit_rows: Callable[..., Any]) -> None:
    (calm, lengths), (same, longer) = unit_rows(3, CALM), unit_rows(4, 500, stretch=1.3)
    looks = watched(48).feed(np.vstack([calm, same]), np.concatenate([lengths, longer]))
    assert first_alarm(looks, CALM)[0] <= 500
    last = looks[-1].judgement
    assert last.alarms == ["norm"]
    assert last.mean_norm == pytest.approx(1.3 * last.reference_mean_norm, rel=0.05)


def test_scores_that_move_alone(watched: Callable[..., Any], unit_rows: Callable[..., Any]) -> None:
    vectors, lengths = unit_rows(5, CALM + 500)
    rng = np.random.default_rng(6)
    scores = np.concatenate([rng.beta(8, 2, CALM), rng.beta(5, 2, 500)])
    looks = watched(48, "queries").feed(vectors, lengths, scores)
    assert first_alarm(looks, CALM)[0] <= 500
    assert looks[-1].judgement.alarms == ["score"]


def test_one_dimension_that_sticks_and_half_that_die(
    watched: Callable[..., Any], unit_rows: Callable[..., Any]
) -> None:
    vectors, lengths = unit_rows(7, CALM + 500)
    stuck, dead = vectors.copy(), vectors.copy()
    stuck[CALM:, 17] = np.median(vectors[:, 17])
    dead[CALM:, ::2] = 0.0
    looks = watched(48).feed(stuck, lengths)
    assert first_alarm(looks, CALM)[0] <= 500
    assert "dimension" in looks[-1].judgement.alarms
    assert looks[-1].judgement.worst[0].dimension == 17
    looks = watched(48).feed(dead, lengths)
    assert first_alarm(looks, CALM)[0] <= 500
    assert "collapsed" in looks[-1].judgement.alarms
    assert looks[-1].judgement.collapsed_share == pytest.approx(0.5, abs=0.1)
    assert looks[-1].judgement.reference_collapsed_share == 0.0


def test_a_limit_that_is_raised_is_kept_to(watched: Callable[..., Any], unit_rows: Callable[..., Any]) -> None:
    from schemas.drift_settings import DriftSettings

    (calm, lengths), (same, longer) = unit_rows(3, CALM), unit_rows(4, 500, stretch=1.3)
    looks = watched(48, settings=DriftSettings(psi=50.0)).feed(
        np.vstack([calm, same]), np.concatenate([lengths, longer])
    )
    assert not [look for look in looks if look.judgement.alarms]
