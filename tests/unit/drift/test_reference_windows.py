"""A reference window: made of the first items, shared by workers, kept through restarts, sent away and made anew."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from schemas.drift_records import (
    REPORTS_KEPT_US,
    DriftReference,
    DriftRenewal,
    DriftReport,
    DriftView,
    decode_drift_record,
    encode_drift_record,
)


def test_it_is_made_of_the_first_items_and_they_are_not_judged(
    watched: Callable[..., Any], unit_rows: Callable[..., Any]
) -> None:
    looks = watched(48).feed(*unit_rows(1, 950))
    states = [(look.items, look.judgement.state, look.judgement.items) for look in looks]
    assert states[8] == (450, "collecting", 450)
    assert states[9] == (500, "filling", 0)
    assert states[16] == (850, "filling", 350)
    assert states[17] == (900, "calm", 400)
    assert states[18] == (950, "calm", 400)


def test_items_that_came_before_the_look_are_not_lost(
    watched: Callable[..., Any], unit_rows: Callable[..., Any]
) -> None:
    vectors, lengths = unit_rows(1, 1000)
    steady, hasty = watched(48), watched(48)
    steady.feed(vectors[:900], lengths[:900])
    for vector, length in zip(vectors[:730], lengths[:730], strict=True):
        hasty.meter.observe(vector, length)
    assert hasty.look().items == 230
    assert hasty.meter.reference.counts == steady.meter.reference.counts
    hasty.feed(vectors[730:900], lengths[730:900])
    assert hasty.judged().psi == steady.judged().psi


def test_a_worker_that_starts_again_goes_on_with_it(watched: Callable[..., Any], unit_rows: Callable[..., Any]) -> None:
    before = watched(48)
    before.feed(*unit_rows(1, 600))
    after = watched(48, view=before.view)
    looks = after.feed(*unit_rows(2, 500, shift=2.5))
    assert looks[0].judgement.state == "filling"
    assert looks[-1].judgement.state == "drift"


def test_workers_share_the_newest_and_their_windows_add_up(
    watched: Callable[..., Any], unit_rows: Callable[..., Any]
) -> None:
    view = DriftView()
    first, second = (watched(48, worker=name, view=view) for name in ("1", "2"))
    first.feed(*unit_rows(1, 500))
    second.feed(*unit_rows(2, 200))
    assert (second.meter.reference, second.judged().items) == (view.reference(first.meter.key), 200)
    first.feed(*unit_rows(3, 200))
    both = first.judged()
    assert (both.state, both.items, both.workers) == ("calm", 400, 2)
    alone = watched(48, view=DriftView())
    alone.view.apply(first.meter.reference)
    (a, la), (b, lb) = unit_rows(2, 200), unit_rows(3, 200)
    one = alone.feed(np.vstack([a, b]), np.concatenate([la, lb]))[-1].judgement
    assert one.psi == pytest.approx(both.psi)
    assert one.norm_psi == pytest.approx(both.norm_psi)
    assert one.mean_norm == pytest.approx(both.mean_norm)


def test_sent_away_the_next_items_make_a_new_one(watched: Callable[..., Any], unit_rows: Callable[..., Any]) -> None:
    worker = watched(48)
    worker.feed(*unit_rows(1, 600))
    old = worker.meter.reference
    assert worker.feed(*unit_rows(2, 500, shift=2.5))[-1].judgement.state == "drift"
    worker.now_us += 1000
    worker.view.apply(DriftRenewal(generation="g1", source="catalogue", since_us=worker.now_us))
    assert worker.judged().state == "collecting"
    worker.look()
    assert worker.meter.reference is None
    looks = worker.feed(*unit_rows(3, 1200, shift=2.5))
    assert worker.meter.reference.made_us > old.made_us
    assert looks[0].judgement.items == 50
    assert looks[-1].judgement.state == "calm"
    worker.view.apply(old)
    assert worker.judged().state == "calm"


def test_items_between_a_renewal_and_the_next_look_are_not_lost(
    watched: Callable[..., Any], unit_rows: Callable[..., Any]
) -> None:
    worker = watched(48)
    worker.feed(*unit_rows(1, 600))
    assert not worker.meter.is_renewed(worker.view)
    worker.view.apply(DriftRenewal(generation="g1", source="catalogue", since_us=worker.now_us))
    assert worker.meter.is_renewed(worker.view)
    worker.now_us += 1
    for vector, length in zip(*unit_rows(2, 550, shift=2.5), strict=True):
        worker.meter.observe(vector, length)
    assert worker.look().items == 50
    assert not worker.meter.is_renewed(worker.view)


def test_a_clock_that_is_behind_makes_a_reference_that_counts(
    watched: Callable[..., Any], unit_rows: Callable[..., Any]
) -> None:
    worker = watched(48)
    future_us = worker.now_us + 10**12
    worker.view.apply(DriftRenewal(generation="g1", source="catalogue", since_us=future_us))
    assert worker.feed(*unit_rows(1, 950))[-1].judgement.state == "calm"
    assert worker.meter.reference.made_us == future_us + 1


def test_one_of_another_model_is_not_compared_with(watched: Callable[..., Any], unit_rows: Callable[..., Any]) -> None:
    before = watched(48, model="old")
    before.feed(*unit_rows(1, 500))
    after = watched(48, model="new", view=before.view)
    assert after.feed(*unit_rows(2, 450, shift=3.0))[-1].judgement.items == 0
    after.feed(*unit_rows(4, 50, shift=3.0))
    assert after.meter.reference.model == "new"
    assert after.feed(*unit_rows(3, 400, shift=3.0))[-1].judgement.state == "calm"


def test_lengths_that_are_not_known_are_not_judged(watched: Callable[..., Any], unit_rows: Callable[..., Any]) -> None:
    vectors, lengths = unit_rows(1, 1000)
    some = lengths.copy()
    some[700] = np.nan
    worker = watched(48)
    last = worker.feed(vectors, some)[-1].judgement
    assert (last.state, last.norm_psi, last.mean_norm) == ("calm", None, None)
    assert last.reference_mean_norm == pytest.approx(lengths[:500].mean(), rel=1e-3)


def test_what_a_worker_that_is_gone_said_last_is_left_out(
    watched: Callable[..., Any], unit_rows: Callable[..., Any]
) -> None:
    worker = watched(48)
    worker.feed(*unit_rows(1, 900))
    (report,) = worker.view.reports(worker.meter.key)
    old = decode_drift_record(encode_drift_record(report))
    assert isinstance(old, DriftReport)
    gone = {"worker": "gone", "time_us": report.time_us - REPORTS_KEPT_US - 1}
    worker.view.apply(DriftReport(**{f: getattr(report, f) for f in report.__struct_fields__} | gone))
    assert worker.judged().workers == 1


def test_records_are_read_as_written(watched: Callable[..., Any], unit_rows: Callable[..., Any]) -> None:
    worker = watched(48)
    worker.feed(*unit_rows(1, 950))
    (report,) = worker.view.reports(worker.meter.key)
    assert isinstance(worker.meter.reference, DriftReference)
    for record in (worker.meter.reference, report, DriftRenewal(generation="g1", source="queries", since_us=3)):
        assert decode_drift_record(encode_drift_record(record)) == record
