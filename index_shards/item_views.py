"""What a shard tells of one item: as it can be found, and what has been applied of it."""

import msgspec

from index_shards.applying import can_be_found
from index_shards.candidates import Float32Array
from index_shards.item_store import ItemRecord
from schemas.item_state import ItemState, decode_state
from schemas.item_trace import ItemTrace
from schemas.queries import StoredItem, pack_vector


def stored_item(record: ItemRecord, state: ItemState, vectors: list[Float32Array]) -> StoredItem:
    """An item that can be found, with the vectors of its pictures."""
    return StoredItem(
        item_id=state.item_id,
        version=state.version,
        attributes=msgspec.json.encode(state.values()),
        event_us=record.event_us,
        searchable_us=record.searchable_us,
        vectors=[pack_vector(vector) for vector in vectors],
    )


def item_trace(item_id: str, record: ItemRecord) -> ItemTrace:
    """What has been applied of an item, whether it can be found or not."""
    state = None if record.state is None else decode_state(record.state)
    return ItemTrace(
        item_id=item_id,
        state=record.state,
        image_at=record.image_at,
        pictures=len(record.ordinals),
        findable=can_be_found(state, record),
        searchable_us=record.searchable_us,
    )
