"""Sending changes again: those that were refused, and stretches of the log; harmless, however often it is done.

A record that is sent again carries the origin of the first one (see `streams/replays.py`). What had been applied
changes nothing; what had been refused takes the place it would have had then. Changes that the merge agents have not
read yet are left alone: they come by themselves.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from ops.catalog_writer import CatalogWriter, installed_partitions
from ops.reject_log import read_rejects
from ops.topic_reading import LogRecord, read_stretch
from schemas.cluster_log import read_cluster
from schemas.item_state import Origin
from schemas.kafka_clients import committed_offsets, kept_offsets
from schemas.rejects import Reject
from schemas.settings import KafkaSettings
from schemas.topics import CHANGES, MERGE_GROUP, STATES, partition_of
from streams.origin import forwarded_origin, origin_header
from streams.replays import Replay, replay_of

ALL_REJECTS = 1_000_000_000


class ReplayChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Which rejects or records, by the time of the original record in microseconds, `until_us` not included."""

    reason: str | None = None
    item_id: str | None = None
    since_us: int = 0
    until_us: int | None = None

    def holds(self, time_us: int) -> bool:
        """Whether a record of this time is meant."""
        return self.since_us <= time_us and (self.until_us is None or time_us < self.until_us)


class ReplaySummary(msgspec.Struct, kw_only=True):
    """What was sent again. `unsendable` rejects kept no original: it was a null value, or too large."""

    found: int = 0
    sent: int = 0
    unsendable: int = 0
    by_reason: dict[str, int] = {}
    dry_run: bool = False
    settled: bool = False
    refused_again: int | None = None

    def sentence(self) -> str:
        """For people."""
        kinds = ", ".join(f"{count} {reason}" for reason, count in sorted(self.by_reason.items()))
        words = [f"{'would send' if self.dry_run else 'sent'} {self.sent} again{f' ({kinds})' if kinds else ''}"]
        if self.unsendable:
            words.append(f"{self.unsendable} kept no original, so their producer must send them again")
        if self.settled:
            words.append("everything is through")
        if self.refused_again:
            words.append(f"{self.refused_again} were refused again (see `lookalive catalog rejects`)")
        return "; ".join(words)


class Resend(NamedTuple):
    """A record of `catalog.changes` to be written."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def replay_rejects(kafka: KafkaSettings, choice: ReplayChoice, *, dry_run: bool) -> ReplaySummary:
    """Send refused changes and pictures again, each once, whatever the number of its refusals.

    Raises:
        NotReady: Kafka does not answer.
    """
    partitions = installed_partitions(read_cluster(kafka))
    rows = chosen_rejects(read_rejects(kafka, ALL_REJECTS, choice.reason), choice)
    summary = ReplaySummary(dry_run=dry_run, found=len(rows))
    resends = []
    for row in rows:
        resend = _resend(row, partitions)
        if resend is None:
            summary.unsendable += 1
            continue
        summary.by_reason[row.reason] = summary.by_reason.get(row.reason, 0) + 1
        resends.append(resend)
    _send(kafka, resends, summary)
    return summary


def replay_range(
    kafka: KafkaSettings, choice: ReplayChoice, from_offset: int | None, *, dry_run: bool
) -> ReplaySummary:
    """Send a stretch of `catalog.changes` again: from that offset on in every partition, up to what is merged by now.

    Raises:
        NotReady: Kafka does not answer.
    """
    partitions = range(installed_partitions(read_cluster(kafka)))
    kept = kept_offsets(kafka, CHANGES, partitions)
    merged = committed_offsets(kafka, MERGE_GROUP, CHANGES, partitions)
    starts = {p: max(low, from_offset or 0) for p, (low, _) in kept.items()}
    summary = ReplaySummary(dry_run=dry_run)
    chosen = _chosen_records(read_stretch(kafka, CHANGES, starts, merged), choice, summary)
    _send(kafka, chosen, summary)
    return summary


def chosen_rejects(rows: Iterable[Reject], choice: ReplayChoice) -> list[Reject]:
    """The newest row of each refused record or picture that is meant, in the order of the log."""
    newest: dict[tuple[str, int, int], Reject] = {}
    for row in rows:
        if choice.item_id not in (None, row.item_id) or not choice.holds(row.origin.time_us):
            continue
        at = (row.origin.topic, row.origin.partition, row.origin.offset)
        if at not in newest or row.attempt > newest[at].attempt:
            newest[at] = row
    return [newest[at] for at in sorted(newest)]


def _resend(row: Reject, partitions: int) -> Resend | None:
    value = row.original_bytes()
    if value is None:
        return None
    key = None if row.item_id is None else row.item_id.encode()
    home = row.origin.partition if row.item_id is None else partition_of(row.item_id, partitions)
    if row.origin.topic == STATES:
        return Resend(home, key, value, [Replay("pictures", row.attempt + 1).header()])
    origin = Origin(row.origin.partition, row.origin.offset, row.origin.time_us)
    return Resend(home, key, value, [origin_header(origin), Replay("rejected", row.attempt + 1).header()])


def _chosen_records(records: Iterator[LogRecord], choice: ReplayChoice, summary: ReplaySummary) -> Iterator[Resend]:
    """What producers wrote: a forwarded record is a copy of one, and a replayed one is chosen by its original."""
    item = None if choice.item_id is None else choice.item_id.encode()
    for record in records:
        copied = forwarded_origin(record.headers) is not None or replay_of(record.headers) is not None
        if copied or not choice.holds(record.time_us) or item not in (None, record.key):
            continue
        summary.found += 1
        origin = Origin(record.partition, record.offset, record.time_us)
        headers = [h for h in record.headers if not h[0].startswith("lookalive-")]
        headers += [origin_header(origin), Replay("range").header()]
        yield Resend(record.partition, record.key, record.value, headers)


def _send(kafka: KafkaSettings, resends: Iterable[Resend], summary: ReplaySummary) -> None:
    writer = None if summary.dry_run else CatalogWriter(kafka)
    for resend in resends:
        if writer is not None:
            writer.write_record(resend.partition, resend.key, resend.value, resend.headers)
        summary.sent += 1
    if writer is not None:
        writer.close()
