"""Looking up in `items.state` which items have newer states than some that wait."""

import asyncio
from collections.abc import Mapping

import msgspec

from schemas.item_state import Stamp, decode_state
from schemas.settings import KafkaSettings
from schemas.topics import STATES
from streams.embed_result import deciding_stamp
from streams.log_stretches import kept_records


async def overtaken_items(kafka: KafkaSettings, partition: int, since: int, stamps: Mapping[str, Stamp]) -> set[str]:
    """Of these items, those for which the partition holds, from offset `since` on, a state of a newer stamp or none
    any more.

    Raises:
        NotReady: the broker does not answer.
    """
    return await asyncio.to_thread(_look, kafka, partition, since, stamps)


def _look(kafka: KafkaSettings, partition: int, since: int, stamps: Mapping[str, Stamp]) -> set[str]:
    items = ((r.key.decode(errors="replace"), r.value) for r in kept_records(kafka, STATES, partition, since))
    return {item for item, state in items if item in stamps and (state is None or _is_newer(state, stamps[item]))}


def _is_newer(value: bytes, stamp: Stamp) -> bool:
    try:
        newest = deciding_stamp(decode_state(value))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return newest is not None and newest > stamp
