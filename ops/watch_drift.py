"""How vectors and scores drift: what the stream workers' drift agents wrote into `drift.state`, added up."""

import time
from collections.abc import Iterator, Sequence

import msgspec

from schemas.cluster_log import read_cluster
from schemas.drift_log import publish_drift, read_drift
from schemas.drift_records import SOURCES, DriftRenewal, DriftView, Key, Source
from schemas.drift_settings import DriftSettings
from schemas.settings import KafkaSettings
from streams.drift_judgement import Judgement, judge

RENEW_POLL_S = 0.5


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """One look: `holds` says that no source has an alarm; None while there is no window to judge by."""

    time: float
    holds: bool | None
    sources: list[Judgement]


def watch(kafka: KafkaSettings, settings: DriftSettings, interval_s: float | None) -> Iterator[Drift]:
    """What the workers said last: now and after each interval, for ever; without one only now.

    Raises:
        NotReady: Kafka does not answer, or has no such topic.
    """
    while True:
        view = read_drift(kafka)
        judged = [judge(key, view.reference(key), view.reports(key), settings) for key in _keys(kafka, view)]
        states = {one.state for one in judged}
        holds = False if "drift" in states else True if "calm" in states else None
        yield Drift(time=time.time(), holds=holds, sources=judged)
        if interval_s is None:
            return
        time.sleep(interval_s)


def renewals(kafka: KafkaSettings, sources: Sequence[Source]) -> list[DriftRenewal]:
    """What to publish so that these sources get new reference windows; raises as `watch` does."""
    now_us = time.time_ns() // 1000
    view = read_drift(kafka)
    made = []
    for key in _keys(kafka, view):
        reference = view.reference(key)
        since_us = now_us if reference is None else max(now_us, reference.made_us)
        if key[1] in sources:
            made.append(DriftRenewal(generation=key[0], source=key[1], since_us=since_us))
    return made


def renew(kafka: KafkaSettings, asked: Sequence[DriftRenewal], *, wait: bool) -> None:
    """Send references away; with `wait` return when every new one is made, which takes as many items as it holds.

    Raises:
        NotReady: Kafka does not answer.
    """
    publish_drift(kafka, *asked)
    while wait:
        view = read_drift(kafka)
        if all(view.reference((one.generation, one.source)) is not None for one in asked):
            return
        time.sleep(RENEW_POLL_S)


def _keys(kafka: KafkaSettings, view: DriftView) -> list[Key]:
    """Whatever was measured, and what should be: both sources of the generation that is searched."""
    serving = read_cluster(kafka).serving
    wanted = [] if serving is None else [(serving.name, source) for source in SOURCES]
    return sorted({*view.known(), *wanted})
