"""What a shard knows of an item, found or not: how routers follow a change until it can be found."""

import msgspec

from schemas.item_state import Stamp

MAX_TRACED = 100


class ItemTrace(msgspec.Struct, frozen=True, kw_only=True):
    """One of the answers of `POST /v1/shards/{generation}/{shard}/traces`, whose body is a list of ids (MessagePack).

    `state` is the item's merged state as in `items.state`, None when none was applied yet. `image_at` is the stamp of
    the pictures whose vectors were applied last, `pictures` how many it is found by. `searchable_us` is the time of the
    last change that searches saw, in microseconds since the epoch; 0 while it cannot be found.
    """

    item_id: str
    state: bytes | None = None
    image_at: Stamp | None = None
    pictures: int = 0
    findable: bool = False
    searchable_us: int = 0
