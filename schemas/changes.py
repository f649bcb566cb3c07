"""A catalogue change as a producer sends it: decoding, validation and the reasons for refusal."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from schemas.canary import CANARY_PREFIX, is_canary
from schemas.errors import ChangeRejected

MAX_ITEM_ID_BYTES = 512
MAX_IMAGES = 8
MAX_ATTRIBUTES_BYTES = 64 * 1024
MAX_ATTRIBUTES_DEPTH = 64
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

Op = Literal["upsert", "patch", "delete"]
Attributes = dict[str, Any]


class CatalogChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change of one item.

    `images` and `attributes` are None where the producer did not send them: an upsert then keeps that part.
    `version` is the producer's int64, or None; `time_us` is `event_time` in microseconds since the epoch, or None.
    """

    op: Op
    item_id: str
    images: tuple[str, ...] | None = None
    attributes: Attributes | None = None
    version: int | None = None
    time_us: int | None = None


_TIME = (
    "^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt ]"
    "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])$(?!\\n)"
)


def _about(description: str, **schema: Any) -> Meta:
    """What the schema of the contract says of a field beside its type; the decoder checks it in words of its own."""
    return Meta(description=description, extra_json_schema=schema)


class WireChange(msgspec.Struct):
    """The JSON as it comes; fields of other names are ignored, so that producers may add their own."""

    op: Annotated[Op, _about("upsert sets the parts it carries, patch single attributes, delete takes the item out")]
    item_id: Annotated[
        Any,
        _about(
            f"the item's id and the record's key: at most {MAX_ITEM_ID_BYTES} bytes, no control characters",
            type="string",
            minLength=1,
            maxLength=MAX_ITEM_ID_BYTES,
            **{"not": {"pattern": "[\\u0000-\\u001f\\u007f]"}},
        ),
    ] = None
    image_url: Annotated[str | None, _about("a picture: https:, s3:, file: or data: URL")] = None
    image_urls: Annotated[list[str] | None, _about(f"up to {MAX_IMAGES} pictures instead of one")] = None
    attributes: Annotated[
        dict[str, Any] | None,
        _about(
            f"any JSON values, at most {MAX_ATTRIBUTES_BYTES} bytes in all and {MAX_ATTRIBUTES_DEPTH} levels deep; an "
            "upsert replaces them all, a patch sets those it names"
        ),
    ] = None
    version: Annotated[
        int | None,
        _about(
            "64 bits, signed; the higher one wins; without it a change takes the item's current one",
            minimum=INT64_MIN,
            maximum=INT64_MAX,
        ),
    ] = None
    event_time: Annotated[
        str | None,
        _about("ISO 8601 with a time zone, not before 1970; without it, the record's time", pattern=_TIME),
    ] = None
    canary: Annotated[
        bool,
        _about(f"only of the system's own probes, whose ids begin with {CANARY_PREFIX!r}; searches leave them out"),
    ] = False


_decoder = msgspec.json.Decoder(WireChange)


def decode_change(value: bytes | None, key: bytes | None) -> CatalogChange:
    """Decode the value of a record of `catalog.changes`; a null value is a delete of its key.

    Raises:
        ChangeRejected: `bad_json`, `bad_id` or `bad_schema`, with a sentence saying what was expected.
    """
    if value is None:
        return CatalogChange(op="delete", item_id=_item_id_from_key(key))
    try:
        wire = _decoder.decode(value)
    except msgspec.ValidationError as error:
        raise ChangeRejected(f"the change does not fit its schema: {error}", code="bad_schema") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ChangeRejected(
            f'the change is not JSON, as in {{"op": "delete", "item_id": "sku-1"}}: {error}', code="bad_json"
        ) from error
    return _checked(wire)


def encode_change(change: CatalogChange) -> bytes:
    """The JSON a producer sends for this change."""
    wire: dict[str, Any] = {"op": change.op, "item_id": change.item_id}
    if change.images is not None:
        if len(change.images) == 1:
            wire["image_url"] = change.images[0]
        else:
            wire["image_urls"] = list(change.images)
    if change.attributes is not None:
        wire["attributes"] = change.attributes
    if change.version is not None:
        wire["version"] = change.version
    if change.time_us is not None:
        wire["event_time"] = iso_time(change.time_us)
    if is_canary(change.item_id):
        wire["canary"] = True
    return msgspec.json.encode(wire)


def check_item_id(item_id: object, *, canary: bool = False) -> str:
    """The item id itself when it is one: a non-empty string of at most 512 bytes without control characters.

    With `canary` the system's own reserved ids are taken too.
    """
    if not isinstance(item_id, str) or not item_id:
        raise ChangeRejected(f"item_id must be a non-empty string, not {item_id!r:.60}", code="bad_id")
    try:
        size_bytes = len(item_id.encode())
    except UnicodeEncodeError as error:
        raise ChangeRejected("item_id must be valid Unicode", code="bad_id") from error
    if size_bytes > MAX_ITEM_ID_BYTES:
        raise ChangeRejected(
            f"item_id must be at most {MAX_ITEM_ID_BYTES} bytes, not {size_bytes}",
            code="bad_id",
            size_bytes=size_bytes,
        )
    if any(ord(character) < 32 or ord(character) == 127 for character in item_id):
        raise ChangeRejected("item_id must not hold control characters such as line breaks", code="bad_id")
    if is_canary(item_id) and not canary:
        raise ChangeRejected(
            f"ids that begin with {CANARY_PREFIX!r} are reserved for `lookalive watch freshness --canary`",
            code="bad_id",
        )
    return item_id


def _item_id_from_key(key: bytes | None) -> str:
    if not key:
        raise ChangeRejected("a null value deletes the item its key names, but there is no key", code="bad_id")
    try:
        return check_item_id(key.decode())
    except UnicodeDecodeError as error:
        raise ChangeRejected("the key is not UTF-8", code="bad_id") from error


def _checked(wire: WireChange) -> CatalogChange:
    item_id = check_item_id(wire.item_id, canary=wire.canary)
    if wire.canary and not is_canary(item_id):
        raise ChangeRejected(f"a canary's item_id begins with {CANARY_PREFIX!r}, not {item_id!r:.60}", code="bad_id")
    if wire.op == "patch" and (wire.image_url is not None or wire.image_urls is not None):
        raise ChangeRejected("a patch changes attributes only; send an upsert to change pictures", code="bad_schema")
    if wire.op == "patch" and wire.attributes is None:
        raise ChangeRejected("a patch needs `attributes`", code="bad_schema")
    if wire.version is not None and not INT64_MIN <= wire.version <= INT64_MAX:
        raise ChangeRejected("`version` must fit into 64 bits, signed", code="bad_schema")
    if wire.attributes:
        _check_attributes(wire.attributes)
    return CatalogChange(
        op=wire.op,
        item_id=item_id,
        images=_images(wire) if wire.op == "upsert" else None,
        attributes=None if wire.op == "delete" else wire.attributes,
        version=wire.version,
        time_us=None if wire.event_time is None else parse_time_us(wire.event_time),
    )


def _check_attributes(attributes: Attributes) -> None:
    try:
        size_bytes = len(msgspec.json.encode(attributes))
    except (OverflowError, RecursionError) as error:
        raise ChangeRejected(f"`attributes` cannot be kept: {error}", code="bad_schema") from error
    if size_bytes > MAX_ATTRIBUTES_BYTES:
        raise ChangeRejected(
            f"`attributes` must be at most {MAX_ATTRIBUTES_BYTES} bytes of JSON, not {size_bytes}",
            code="bad_schema",
            size_bytes=size_bytes,
        )
    if _is_deeper(attributes, MAX_ATTRIBUTES_DEPTH):
        raise ChangeRejected(
            f"`attributes` must be nested at most {MAX_ATTRIBUTES_DEPTH} levels deep", code="bad_schema"
        )


def _is_deeper(value: Any, depth: int) -> bool:
    """Whether lists and mappings are nested deeper than every decoder on the way can follow."""
    level = [value]
    for _ in range(depth):
        inner: list[Any] = []
        for held in level:
            if isinstance(held, dict):
                inner.extend(held.values())
            elif isinstance(held, list):
                inner.extend(held)
        if not inner:
            return False
        level = inner
    return any(isinstance(held, dict | list) for held in level)


def _images(wire: WireChange) -> tuple[str, ...] | None:
    if wire.image_url is not None and wire.image_urls is not None:
        raise ChangeRejected("send `image_url` or `image_urls`, not both", code="bad_schema")
    if wire.image_url is not None:
        return (wire.image_url,)
    if wire.image_urls is None:
        return None
    if len(wire.image_urls) > MAX_IMAGES:
        raise ChangeRejected(
            f"an item has at most {MAX_IMAGES} pictures, not {len(wire.image_urls)}", code="bad_schema"
        )
    return tuple(wire.image_urls)


def parse_time_us(text: str) -> int:
    """Microseconds since the epoch of an ISO 8601 time with a zone.

    Raises:
        ChangeRejected: `bad_schema`, when it is no time, has no zone or lies before 1970.
    """
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError as error:
        raise ChangeRejected(
            f"`event_time` must look like 2026-11-21T09:00:00Z, not {text!r:.60}", code="bad_schema"
        ) from error
    if moment.tzinfo is None:
        raise ChangeRejected("`event_time` needs a time zone, as in 2026-11-21T09:00:00Z", code="bad_schema")
    time_us = (moment - _EPOCH) // _MICROSECOND
    if time_us < 0:
        raise ChangeRejected(f"`event_time` must not lie before 1970: {text!r:.60}", code="bad_schema")
    return time_us


def iso_time(time_us: int) -> str:
    """The ISO 8601 time, in UTC, of microseconds since the epoch."""
    return (_EPOCH + time_us * _MICROSECOND).isoformat(timespec="microseconds").replace("+00:00", "Z")
