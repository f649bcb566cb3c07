"""What the drift agent takes out of the two topics, what it passes over, and what it tells Prometheus."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from schemas.canary import CANARY_PREFIX
from schemas.cluster import Generation
from schemas.item_state import Stamp
from schemas.queries import Hit
from schemas.search_events import encode_impression, make_impression
from schemas.settings import KafkaSettings, Settings
from schemas.vector_record import StageTimes, VectorRecord, encode_vector_record, make_vector_record
from streams.drift_agent import NOTHING_FOUND, DriftAgent
from streams.drift_metrics import DriftMetrics

AT = Stamp(1, 2, 3, 0)
UNIT = np.array([[0.6, 0.8], [0.8, -0.6]], np.float32)


class Heard:
    """Stands in for a meter."""

    def __init__(self) -> None:
        self.rows: list[tuple[list[float], float, float]] = []

    def observe(self, vector: np.ndarray, length: float, score: float = np.nan) -> None:
        self.rows.append(([round(float(number), 2) for number in vector], length, score))


@pytest.fixture
def agent(tmp_path: Path) -> DriftAgent:
    generation = Generation(name="g1", model="fake", fingerprint="model", dimension=2, shards=1)
    settings = Settings(kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1", embedded=True))
    made = DriftAgent(settings, generation, tmp_path, DriftMetrics(CollectorRegistry()))
    made._meters = {"catalogue": Heard(), "queries": Heard()}  # type: ignore[dict-item]
    return made


def message(value: bytes | None, key: bytes = b"item-1") -> Any:
    return SimpleNamespace(value=value, key=key)


def vectors(model: str = "model", dimension: int = 2) -> bytes:
    rows = UNIT if dimension == 2 else np.eye(3, dtype=np.float32)[:2]
    return encode_vector_record(make_vector_record(AT, model, (b"a", b"b"), rows, StageTimes(), [2.0, 3.0]))


def test_every_picture_of_an_item_is_measured(agent: DriftAgent) -> None:
    assert agent._take_vectors(message(vectors()))
    heard = agent._meters["catalogue"].rows  # type: ignore[attr-defined]
    assert [row[:2] for row in heard] == [([0.6, 0.8], 2.0), ([0.8, -0.6], 3.0)]
    assert all(np.isnan(row[2]) for row in heard)


@pytest.mark.parametrize(
    "passed_over",
    [
        message(None),
        message(b"\x09nothing"),
        message(vectors(), CANARY_PREFIX.encode() + b"x"),
        message(vectors("another model")),
        message(vectors(dimension=3)),
        message(encode_vector_record(VectorRecord(AT, "model", 2))),
    ],
    ids=["null", "garbage", "canary", "model", "dimension", "delete"],
)
def test_what_is_no_items_vector_is_passed_over(agent: DriftAgent, passed_over: Any) -> None:
    assert not agent._take_vectors(passed_over)
    assert agent._meters["catalogue"].rows == []  # type: ignore[attr-defined]


def test_searches_of_this_generation_are_measured(agent: DriftAgent) -> None:
    for generation, hits in (("g1", [Hit("a", 0.9), Hit("b", 0.7)]), ("g2", []), ("g1", [])):
        impression = make_impression("q", generation, 1, hits, UNIT[0], 4.0)
        assert agent._take_impression(message(encode_impression(impression))) == (generation == "g1")
    assert not agent._take_impression(message(b'{"event": "click"}'))
    found = [([0.6, 0.8], 4.0, 0.9), ([0.6, 0.8], 4.0, NOTHING_FOUND)]
    assert agent._meters["queries"].rows == found  # type: ignore[attr-defined]


def test_metrics_say_what_moved_and_count_each_alarm_once(
    watched: Callable[..., Any], unit_rows: Callable[..., Any]
) -> None:
    registry = CollectorRegistry()
    metrics = DriftMetrics(registry)
    worker = watched(48)
    for look in [*worker.feed(*unit_rows(1, 1000)), *worker.feed(*unit_rows(2, 500, shift=2.5))]:
        metrics.note(look.judgement)
    lines = dict(line.rsplit(" ", 1) for line in generate_latest(registry).decode().splitlines() if line[0] != "#")
    source = 'generation="g1",source="catalogue"'
    dimension = f'lookalive_drift_dimension_psi{{dimension="7",{source}}}'
    assert float(lines[dimension]) == pytest.approx(worker.judged().psi[7])
    assert sum(line.startswith("lookalive_drift_dimension_psi") for line in lines) == 48
    assert lines['lookalive_drift_alarm{generation="g1",of="dimensions",source="catalogue"}'] == "1.0"
    assert lines['lookalive_drift_alarms_total{generation="g1",of="dimensions",source="catalogue"}'] == "1.0"
    assert lines['lookalive_drift_alarm{generation="g1",of="score",source="catalogue"}'] == "0.0"
    assert lines[f"lookalive_drift_window{{{source}}}"] == "400.0"
    assert 'lookalive_drift_psi{generation="g1",of="score",source="catalogue"}' not in lines
