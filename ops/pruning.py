"""What a source no longer has: the live items of the installation that none of its rows names."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from ops.catalog_writer import CatalogWriter, installed_partitions
from ops.topic_reading import read_stretch
from schemas.changes import CatalogChange
from schemas.cluster_log import read_cluster
from schemas.errors import InputError
from schemas.item_state import ItemState, decode_state
from schemas.kafka_clients import kept_offsets
from schemas.settings import KafkaSettings
from schemas.topics import STATES

ID_SCOPE = "id:"


class Scope(NamedTuple):
    """Which items a source speaks for: those whose id begins so, or that have an attribute of that value."""

    id_prefix: str = ""
    attribute: str | None = None
    value: Any = None

    def holds(self, state: ItemState) -> bool:
        """Whether the item is one of them; values match by type, as in filters."""
        if not state.item_id.startswith(self.id_prefix):
            return False
        if self.attribute is None:
            return True
        held = state.values().get(self.attribute)
        return held == self.value and isinstance(held, bool) == isinstance(self.value, bool)


class Candidates(NamedTuple):
    """Live items in scope that the source does not name, and how many were changed since the load began and stay.

    `all_seen` is False where the broker has dropped old states, so that there may be more.
    """

    item_ids: list[str]
    live: int
    too_new: int
    all_seen: bool


def parse_scope(text: str | None) -> Scope:
    """`id:PREFIX` or `attribute=value`, where a value that is JSON keeps its type.

    Raises:
        InputError: it is neither.
    """
    if text is None:
        return Scope()
    if text.startswith(ID_SCOPE) and len(text) > len(ID_SCOPE):
        return Scope(id_prefix=text.removeprefix(ID_SCOPE))
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"--prune-scope takes id:PREFIX or attribute=value, not {text!r}")
    try:
        return Scope(attribute=name, value=msgspec.json.decode(value))
    except msgspec.DecodeError:
        return Scope(attribute=name, value=value)


def missing_items(kafka: KafkaSettings, named: set[str], scope: Scope, started_us: int) -> Candidates:
    """Read every item's last state and find the live ones that are not named.

    Raises:
        NotReady: Kafka does not answer.
    """
    partitions = range(installed_partitions(read_cluster(kafka)))
    ends = kept_offsets(kafka, STATES, partitions)
    live: dict[str, bool] = {}
    starts = {p: low for p, (low, _) in ends.items()}
    for record in read_stretch(kafka, STATES, starts, {p: high for p, (_, high) in ends.items()}):
        if record.value is None:
            live.pop((record.key or b"").decode(errors="replace"), None)
            continue
        state = decode_state(record.value)
        live.pop(state.item_id, None)
        if state.live and scope.holds(state):
            newest = state.newest
            live[state.item_id] = newest is not None and newest.time_us >= started_us
    missing = {item_id: new for item_id, new in live.items() if item_id not in named}
    gone = sorted(item_id for item_id, new in missing.items() if not new)
    # Only the embedded broker drops states: a real one compacts them, and the last of each item stays.
    seen = not kafka.embedded or not any(starts.values())
    return Candidates(gone, len(live), len(missing) - len(gone), seen)


def delete_items(writer: CatalogWriter, item_ids: Iterable[str], started_us: int) -> None:
    """Delete as of the load's beginning: an item that was changed since then stays."""
    for item_id in item_ids:
        writer.write(CatalogChange(op="delete", item_id=item_id, time_us=started_us))
