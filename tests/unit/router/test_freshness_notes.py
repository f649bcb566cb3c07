"""What a router counts of changes it sees in searches: by who looked, by stage and by kind."""

from typing import Any

from query_router.change_fate import Written
from query_router.change_log import Position
from query_router.freshness_notes import FreshnessNotes
from query_router.metrics import RouterMetrics
from schemas.canary import CANARY_PREFIX
from schemas.changes import CatalogChange
from schemas.item_trace import ItemTrace
from schemas.live import NodeNews

NOW_US, SECOND_US = 100_000_000, 1_000_000


def counted(metrics: RouterMetrics) -> dict[tuple[str, str, str], float]:
    """Seconds by source, stage and kind."""
    samples = [s for family in metrics.registry.collect() for s in family.samples]
    wanted = "lookalive_router_freshness_seconds_sum"
    return {tuple(s.labels[n] for n in ("source", "stage", "kind")): s.value for s in samples if s.name == wanted}  # type: ignore[misc]


def notes() -> tuple[FreshnessNotes, RouterMetrics]:
    metrics = RouterMetrics()
    return FreshnessNotes(metrics, lambda: NOW_US), metrics


def written(op: Any, item_id: str = "a") -> Written:
    return Written(CatalogChange(op=op, item_id=item_id), Position(0, 3), NOW_US - 5 * SECOND_US)


def trace(searchable_us: int) -> ItemTrace:
    return ItemTrace(item_id="a", searchable_us=searchable_us)


def test_a_change_that_was_waited_for() -> None:
    made, metrics = notes()
    made.shown(written("patch"), [trace(NOW_US - 3 * SECOND_US), trace(NOW_US - SECOND_US), None])
    made.shown(written("delete"), [trace(0)])
    assert counted(metrics) == {
        ("write", "seen", "patch"): 1.0,
        ("write", "total", "patch"): 5.0,
        ("write", "total", "delete"): 5.0,
    }


def test_a_change_that_the_live_feed_tells_of() -> None:
    made, metrics = notes()
    made.heard([NodeNews("a", "new", "g1", 0, NOW_US - 4 * SECOND_US, NOW_US - 2 * SECOND_US)])
    assert counted(metrics) == {("live", "seen", "new"): 2.0, ("live", "total", "new"): 4.0}


def test_a_canary_counts_when_a_search_first_finds_it() -> None:
    made, metrics = notes()
    canary = f"{CANARY_PREFIX}1"
    made.wrote(written("upsert", canary))
    made.wrote(written("upsert", "no canary"))
    made.found(["no canary"])
    assert counted(metrics) == {}
    made.found(["other", canary])
    made.found([canary])
    assert counted(metrics) == {("canary", "total", "upsert"): 5.0}
