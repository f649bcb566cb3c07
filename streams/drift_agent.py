"""The drift agent: what the generation's vectors and the searches are like, against what they were like once.

It reads `vectors.<generation>` and `search.events` as a group of its own, keeps a bounded window of each, and writes
references and reports to `drift.state`, where every worker's are read together. It measures only: nothing waits for it,
what it cannot read it passes over, and where it fails the worker goes on and says so.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from schemas.canary import CANARY_PREFIX
from schemas.cluster import Generation
from schemas.drift_log import DriftFollower
from schemas.drift_records import DriftRecord, DriftReference, DriftReport, Source, encode_drift_record
from schemas.errors import LookaliveError
from schemas.search_events import decode_impression
from schemas.settings import MIB, Settings
from schemas.topics import DRIFT, SEARCH_EVENTS, drift_group, vectors_topic
from schemas.vector_record import decode_vector_record
from streams.drift_judgement import judge
from streams.drift_meter import DriftMeter
from streams.drift_metrics import DriftMetrics
from streams.faust_app import leave_group, make_app, raw_topic
from streams.intake import Intake

BATCH = 256
BUSY_LOOK_S, LOOK_S, REPORT_S, ASK_AGAIN_S, STOP_S = 0.2, 0.5, 2.0, 5.0, 3.0
# The embedded broker drops the oldest records: the reference stays among the newest.
REPEAT_AFTER_BYTES = MIB
NOTHING_FOUND = -1.0
"""The score of a search that found nothing: the lowest cosine there is."""

log = structlog.get_logger()


class DriftAgent:
    """One Faust app with two agents, one per source."""

    def __init__(self, settings: Settings, generation: Generation, folder: Path, metrics: DriftMetrics) -> None:
        kafka = settings.kafka
        self._settings, self._generation, self._metrics = settings, generation, metrics
        self._follower = DriftFollower(kafka)
        self.app = make_app(drift_group(generation.name), kafka, folder)
        self._topic = raw_topic(self.app, DRIFT, 1)
        self._meters: dict[Source, DriftMeter] = {}
        self._locks: dict[Source, asyncio.Lock] = {}
        self._reported_s: dict[Source, float] = {}
        self._looked_s: dict[Source, float] = {}
        self._waiting: dict[Source, DriftReport] = {}
        self._written_bytes: dict[Source, int] = {}
        self._running: asyncio.Task[None] | None = None
        self.trouble: str | None = "waiting for the topic drift.state"
        self._attach("catalogue", vectors_topic(generation.name), self._take_vectors)
        self._attach("queries", SEARCH_EVENTS, self._take_impression)

    def start(self) -> None:
        """Begin in the background, in the running event loop; `trouble` says what keeps it from measuring."""
        self._running = asyncio.create_task(self._run(), name="drift")

    async def stop(self) -> None:
        """Leave the group; bounded, broker or no broker."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        if self.app.started:
            await leave_group(self.app, "drift", STOP_S)
        await asyncio.to_thread(self._follower.stop)

    def _attach(self, source: Source, topic: str, take: Callable[[Any], bool]) -> None:
        self._meters[source] = DriftMeter(self._generation, source, self._settings.stream.id, self._settings.drift)
        self._locks[source] = asyncio.Lock()
        self._written_bytes[source], self._looked_s[source] = 0, 0.0

        async def process(stream: Any) -> None:
            try:
                await self._process(source, stream, take)
            except StopAsyncIteration:
                return  # Faust closes what lies before an agent that way when the app stops

        self.app.agent(raw_topic(self.app, topic, self._settings.kafka.partitions), name=f"drift-{source}")(process)

    async def _run(self) -> None:
        try:
            await self._follow()
            await self.app.start()
        except Exception as error:  # noqa: BLE001  see the module
            self._say(error)
            return
        self.trouble = None
        while not self.app.crashed:
            await asyncio.sleep(LOOK_S)
            try:
                for source in self._meters:
                    await self._look_again(source)
            except Exception as error:  # noqa: BLE001  see the module
                self._say(error)
        self._say(self.app.crash_reason or RuntimeError("its app has crashed"))

    def _say(self, error: BaseException) -> None:
        said = f"drift is not measured as it should be: {error!r}"
        if said != self.trouble:
            log.error("drift_not_measured", error=repr(error))
        self.trouble = said

    async def _follow(self) -> None:
        """Read `drift.state`; until it is there nothing is measured."""
        while True:
            try:
                return await asyncio.to_thread(self._follower.start)
            except LookaliveError as error:
                self.trouble = f"drift is not measured: {error.message}"
                log.warning("drift_waits", error=error.message)
                await asyncio.sleep(ASK_AGAIN_S)

    async def _process(self, source: Source, stream: Any, take: Callable[[Any], bool]) -> None:
        intake = Intake(self.app, stream, BATCH)
        meter = self._meters[source]
        while True:
            messages = await intake.take()
            try:
                async with self._locks[source]:
                    taken = sum(take(message) for message in messages)
                self._metrics.items.labels(self._generation.name, source).inc(taken)
                if meter.is_due and time.monotonic() - self._looked_s[source] >= BUSY_LOOK_S:
                    await self._look(source)
            except Exception as error:  # noqa: BLE001  see the module
                self._say(error)
            generation = self.app.consumer_generation_id
            self.app.consumer.ack_all([m for m in messages if m.generation_id == generation])

    def _take_vectors(self, message: Any) -> bool:
        """Measure an item's pictures; whether there was anything to measure."""
        if not message.value or (message.key or b"").startswith(CANARY_PREFIX.encode()):
            return False
        try:
            record = decode_vector_record(message.value)
        except ValueError:
            return False
        if record.model != self._generation.fingerprint or record.dimension != self._generation.dimension:
            return False
        for vector, length in zip(record.matrix(), record.lengths().tolist(), strict=True):
            self._meters["catalogue"].observe(vector, length)
        return not record.is_delete

    def _take_impression(self, message: Any) -> bool:
        """Measure a search by a picture; whether it was one in this generation."""
        impression = decode_impression(message.value or b"")
        if impression is None or impression.generation != self._generation.name:
            return False
        vector = impression.unit_vector()
        if len(vector) != self._generation.dimension:
            return False
        best = impression.items[0].score if impression.items else NOTHING_FOUND
        self._meters["queries"].observe(vector, impression.norm, best)
        return True

    async def _look_again(self, source: Source) -> None:
        """Look at what came since, and write what was held back."""
        if self._meters[source].is_behind(self._follower.view):
            await self._look(source)
        elif source in self._waiting and time.monotonic() - self._reported_s.get(source, 0.0) >= REPORT_S:
            await self._write(source, [self._waiting[source]])

    async def _look(self, source: Source) -> None:
        meter = self._meters[source]
        self._looked_s[source] = time.monotonic()
        async with self._locks[source]:
            records = await asyncio.to_thread(meter.look, self._follower.view)
        report = records[-1]
        assert isinstance(report, DriftReport)
        self.trouble = None
        self._metrics.note(judge(meter.key, meter.reference, [report], self._settings.drift))
        if len(records) == 1 and time.monotonic() - self._reported_s.get(source, 0.0) < REPORT_S:
            self._waiting[source] = report
            return
        await self._write(source, records)

    async def _write(self, source: Source, records: list[DriftRecord]) -> None:
        self._waiting.pop(source, None)
        self._reported_s[source] = time.monotonic()
        reference = self._meters[source].reference
        if self._settings.kafka.embedded and self._written_bytes[source] > REPEAT_AFTER_BYTES and reference is not None:
            records = [reference, *records]
        for record in records:
            value = encode_drift_record(record)
            again = isinstance(record, DriftReference)
            self._written_bytes[source] = len(value) + (0 if again else self._written_bytes[source])
            await self._topic.send(key=record.key().encode(), value=value, partition=0)
