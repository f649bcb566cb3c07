"""The stages of each change that searches show, as the shard that applied it counts them."""

from index_shards.applying import Applied
from index_shards.node.log_reader import LogRecord
from index_shards.node.metrics import NodeMetrics
from schemas.topics import STATES
from schemas.vector_record import StageTimes, decode_vector_record

Times = list[tuple[str, int]]


class FreshnessNotes:
    """Counts for one shard; used by the thread that applies to it."""

    def __init__(self, metrics: NodeMetrics, generation: str, shard: str) -> None:
        self._seconds = metrics.fresh_seconds
        self._labels = (generation, shard)

    def note(self, record: LogRecord, taken_us: int, applied: Applied) -> None:
        """A record was taken up at `taken_us` and applied; without an effect that a search sees nothing is counted."""
        if applied.kind is None or applied.delay_us is None:
            return
        event_us = applied.searchable_us - applied.delay_us
        for stage, passed_us in stages_of(record, event_us, taken_us, applied.searchable_us):
            self._seconds.labels(*self._labels, stage, applied.kind).observe(max(passed_us, 0) / 1e6)


def stages_of(record: LogRecord, event_us: int, taken_us: int, searchable_us: int) -> Times:
    """The microseconds of each stage of `schemas.freshness` that is known, in their order; they add up to the total."""
    passed = [("merged", record.time_us)]
    if record.topic != STATES and record.value is not None:
        times = _times_of(record.value)
        passed = [
            ("merged", times.merged_us),
            ("fetched", times.fetched_us),
            ("embedded", times.embedded_us),
            ("logged", record.time_us),
        ]
    passed += [("applied", taken_us), ("searchable", searchable_us)]
    stages: Times = []
    before_us = event_us
    for stage, at_us in passed:
        if at_us:
            stages.append((stage, at_us - before_us))
            before_us = at_us
    return [*stages, ("total", searchable_us - event_us)]


def _times_of(value: bytes) -> StageTimes:
    return decode_vector_record(value).times
