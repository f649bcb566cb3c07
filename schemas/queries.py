"""Queries and answers: the public HTTP API's bodies, and the binary protocol between router and shard nodes."""

from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

MAX_K = 1000
MAX_OFFSET = 10_000
NODE_CONTENT_TYPE = "application/msgpack"


class Crop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the picture, as fractions of its width and height."""

    x: Annotated[float, Meta(ge=0, le=1)]
    y: Annotated[float, Meta(ge=0, le=1)]
    width: Annotated[float, Meta(gt=0, le=1)]
    height: Annotated[float, Meta(gt=0, le=1)]


class SearchOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every form of `POST /v1/search` takes."""

    k: Annotated[int, Meta(ge=1, le=MAX_K)] = 10
    offset: Annotated[int, Meta(ge=0, le=MAX_OFFSET)] = 0
    min_score: Annotated[float, Meta(ge=-1, le=1)] | None = None
    filter: dict[str, Any] | None = None
    crop: Crop | None = None
    collapse: str | None = None
    diversity: Annotated[float, Meta(ge=0, le=1)] = 0.0
    include_attributes: bool = True
    timeout_ms: Annotated[int, Meta(ge=1)] | None = None
    exact: bool = False


class SearchBody(SearchOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The JSON body of `POST /v1/search`: the options and exactly one of the ways to say what to look for."""

    image_url: str | None = None
    image_b64: str | None = None
    item_id: str | None = None
    vector: list[float] | None = None
    generation: str | None = None


class Hit(msgspec.Struct, frozen=True):
    """One found item; `attributes` is its JSON, untouched, and left out where none were asked for."""

    item_id: str
    score: float
    attributes: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class ShardCounts(msgspec.Struct, frozen=True):
    """How many shards an answer should have and has."""

    total: int
    ok: int
    failed: int
    timed_out: int


class SearchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `POST /v1/search` and `GET /v1/items/{id}/similar`."""

    query_id: str
    generation: str
    took_ms: float
    items: list[Hit]
    shards: ShardCounts
    degraded: str | None = None
    warnings: list[str] = []


class ItemAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `GET /v1/items/{id}`; times are ISO 8601 in UTC."""

    item_id: str
    version: int
    attributes: msgspec.Raw
    generation: str
    event_time: str
    searchable_at: str


class ShardSearch(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /v1/shards/{generation}/{shard}/search`: the query of one shard, as MessagePack.

    `vector` is little-endian float32, of unit length. `exclude` is an item left out of the answer;
    `canaries` (see `schemas.canary`) are left out unless asked for.
    """

    vector: bytes
    k: int
    filter: dict[str, Any] | None = None
    include_attributes: bool = True
    exact: bool = False
    exclude: str | None = None
    canaries: bool = False


class ShardHits(msgspec.Struct, frozen=True, kw_only=True):
    """A shard's best items, best first, ties by item_id; `unknown_attributes` are filtered on but held by no item."""

    hits: list[tuple[str, float, bytes | None]]
    unknown_attributes: list[str] = []


class StoredItem(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/shards/{generation}/{shard}/items/{id}`: a findable item as its shard has it, as MessagePack.

    `attributes` is JSON. `vectors` are little-endian float32 rows, one per picture.
    """

    item_id: str
    version: int
    attributes: bytes
    event_us: int
    searchable_us: int
    vectors: list[bytes]


def pack_vector(vector: npt.NDArray[np.float32]) -> bytes:
    """The bytes of one float32 vector as they travel."""
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()


def unpack_vector(data: bytes) -> npt.NDArray[np.float32]:
    """The float32 vector of these bytes; a view that must not be written to."""
    return np.frombuffer(data, dtype="<f4")
