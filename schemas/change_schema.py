"""The JSON Schema of a catalogue change, made from the type that decodes it.

What a schema cannot say stays with the decoder: lengths in bytes, the depth of attributes, and days no calendar has.
"""

from typing import Any

import msgspec

from schemas.canary import CANARY_PREFIX
from schemas.changes import MAX_IMAGES, WireChange

DIALECT = "https://json-schema.org/draft/2020-12/schema"
EXAMPLES: list[dict[str, Any]] = [
    {
        "op": "upsert",
        "item_id": "sku-1",
        "image_url": "https://cdn.example.com/1.jpg",
        "attributes": {"category": "dress", "price": 49.9, "in_stock": True, "group_id": "parent-7"},
        "version": 1732190000000000,
        "event_time": "2026-11-21T09:00:00Z",
    },
    {"op": "patch", "item_id": "sku-1", "attributes": {"in_stock": False}},
    {"op": "delete", "item_id": "sku-1"},
]

_HELD = {"not": {"type": "null"}}
_NULL = {"type": "null"}


def change_schema() -> dict[str, Any]:
    """The schema of the value of a record of `catalog.changes` (a null value, which deletes, is no JSON document)."""
    return {"$schema": DIALECT, **change_body(), "examples": EXAMPLES}


def change_body() -> dict[str, Any]:
    """The schema without its dialect, to be put into another document."""
    _, components = msgspec.json.schema_components([WireChange])
    body = components["WireChange"]
    for field in body["properties"].values():
        field.pop("default", None)
    return {
        **body,
        "title": "CatalogChange",
        "description": "One change of one item. Fields of other names are ignored.",
        "required": ["op", "item_id"],
        "allOf": [_rule("patch", _patch()), _rule("upsert", _upsert()), _reserved()],
    }


def _rule(op: str, then: dict[str, Any]) -> dict[str, Any]:
    return {"if": {"properties": {"op": {"const": op}}, "required": ["op"]}, "then": then}


def _reserved() -> dict[str, Any]:
    """Ids of canaries are canaries', and the other way round."""
    reserved = {"properties": {"item_id": {"pattern": f"^{CANARY_PREFIX}"}}}
    canary = {"properties": {"canary": {"const": True}}, "required": ["canary"]}
    return {"if": canary, "then": reserved, "else": {"not": {**reserved, "required": ["item_id"]}}}


def _patch() -> dict[str, Any]:
    """A patch needs attributes and brings no picture."""
    return {
        "required": ["attributes"],
        "properties": {"attributes": {"type": "object"}, "image_url": _NULL, "image_urls": _NULL},
    }


def _upsert() -> dict[str, Any]:
    """An upsert names its pictures in one of two ways."""
    both = {"properties": {"image_url": _HELD, "image_urls": _HELD}, "required": ["image_url", "image_urls"]}
    return {"properties": {"image_urls": {"maxItems": MAX_IMAGES}}, "not": both}
