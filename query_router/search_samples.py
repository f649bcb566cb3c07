"""Searches by a picture, told in `search.events`: what was shown, and the picture's vector.

A search never waits for it and never fails by it: so many per second are told at most, what finds no room in the
producer's queue is dropped, and a broker that is away costs the records that came meanwhile.
"""

import threading
import time
from collections.abc import Callable
from typing import Literal

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from embedder.model_queue import Embedded
from query_router.metrics import RouterMetrics
from schemas.cluster import ClusterView
from schemas.errors import LookaliveError
from schemas.kafka_clients import make_producer
from schemas.queries import SearchAnswer
from schemas.search_events import encode_impression, make_impression
from schemas.settings import KafkaSettings
from schemas.topics import SEARCH_EVENTS, partition_of

QUEUED_RECORDS, QUEUED_KIB = 1000, 4096
PATIENCE_S, POLL_S, STOP_S = 5.0, 0.2, 0.5
Outcome = Literal["told", "passed_over", "dropped", "failed"]

log = structlog.get_logger()


class Allowance:
    """Lets so many per second through, and after a pause a second's worth at once (a token bucket)."""

    def __init__(self, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._clock = per_s, clock
        self._most = max(per_s, 1.0)
        self._left, self._at_s = self._most, clock()

    def take(self) -> bool:
        """Whether one more may pass."""
        now_s = self._clock()
        self._left = min(self._left + (now_s - self._at_s) * self._per_s, self._most)
        self._at_s = now_s
        if self._left < 1.0 or not self._per_s:
            return False
        self._left -= 1.0
        return True


class SearchSamples:
    """One producer with a short queue, made when the router starts; its callbacks come in a thread of its own."""

    def __init__(
        self, kafka: KafkaSettings, per_s: float, cluster_view: Callable[[], ClusterView], metrics: RouterMetrics
    ) -> None:
        self._kafka, self._cluster_view, self._metrics = kafka, cluster_view, metrics
        self._allowance = Allowance(per_s)
        self._producer: Producer | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="search-samples", daemon=True)

    def start(self) -> None:
        """Begin in the background; until the producer is made nothing is told."""
        if self._kafka.is_named:
            self._thread.start()

    def stop(self) -> None:
        """End soon: what waits is given a moment by the thread, and nobody waits for it."""
        self._stop.set()

    def note(self, answer: SearchAnswer, embedded: Embedded) -> None:
        """Tell of an answer to a picture, if there is room."""
        producer, installation = self._producer, self._cluster_view().installation
        if producer is None or installation is None or not self._allowance.take():
            self._count("passed_over")
            return
        try:
            impression = make_impression(
                answer.query_id,
                answer.generation,
                time.time_ns() // 1000,
                answer.items,
                embedded.vector,
                embedded.norm,
            )
            partition = partition_of(answer.query_id, installation.partitions)
            value, key = encode_impression(impression), answer.query_id.encode()
            producer.produce(SEARCH_EVENTS, value, key, partition, on_delivery=self._delivered)
        except (BufferError, KafkaException, ValueError) as error:
            log.debug("search_not_told", error=str(error))
            self._count("dropped")

    def _run(self) -> None:
        try:
            producer = self._make_producer()
        except (LookaliveError, KafkaException) as error:
            log.warning("searches_not_told", error=str(error))
            return
        self._producer = producer
        while not self._stop.is_set():
            producer.poll(POLL_S)
        self._producer = None
        producer.flush(STOP_S)

    def _make_producer(self) -> Producer:
        return make_producer(
            self._kafka,
            **{
                "enable.idempotence": False,
                "acks": 1,
                "message.timeout.ms": int(PATIENCE_S * 1000),
                "queue.buffering.max.messages": QUEUED_RECORDS,
                "queue.buffering.max.kbytes": QUEUED_KIB,
                "error_cb": lambda error: log.debug("kafka_client", error=error.str()),
            },
        )

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        self._count("told" if error is None else "failed")

    def _count(self, outcome: Outcome) -> None:
        self._metrics.samples.labels(outcome).inc()
