"""The AsyncAPI document (https://www.asyncapi.com/docs/reference/specification/v3.0.0) of all topics, from the types.

Payloads are JSON Schema of draft 07, as the specification's own schema object has it.
"""

from typing import Any

import msgspec

from schemas.change_schema import EXAMPLES, change_body
from schemas.cluster import Generation, Installation, NodeReport, Placement
from schemas.drift_records import DriftReference, DriftRenewal, DriftReport
from schemas.item_state import ItemState
from schemas.rejects import Reject
from schemas.retries import Retry
from schemas.search_events import Impression
from schemas.topics import CHANGES, CLUSTER, DRIFT, REJECTS, RETRIES, SEARCH_EVENTS, STATES, TopicSpec, base_topics
from schemas.vector_record import LAYOUT_VERSION

VERSION = "1"
JSON_TYPE, BINARY_TYPE = "application/json", "application/octet-stream"
VECTORS = "vectors.{generation}"
_REFS = "#/components/schemas/{name}"
_CLUSTER_RECORDS: tuple[type[msgspec.Struct], ...] = (Installation, Generation, Placement, NodeReport)
_DRIFT_RECORDS: tuple[type[msgspec.Struct], ...] = (DriftReference, DriftReport, DriftRenewal)

_ITEM_KEY = "the item's id, in the partition that Kafka's murmur2 of it gives"
_CHANNELS: dict[str, tuple[str, str, str]] = {
    CHANGES: ("catalogChanges", "What producers write: one change of one item.", _ITEM_KEY),
    STATES: ("itemStates", "The whole merged state of each item, written by the merge agents.", _ITEM_KEY),
    VECTORS: ("vectors", "The vectors of each item's pictures in one generation's embedding space.", _ITEM_KEY),
    REJECTS: ("catalogRejects", "Changes and pictures that were refused, each with its reason.", _ITEM_KEY),
    RETRIES: ("catalogRetries", "Items whose pictures could not be fetched and are tried again.", _ITEM_KEY),
    SEARCH_EVENTS: ("searchEvents", "What was shown to users, and what they did with it.", "the query's id"),
    CLUSTER: ("clusterState", "The installation, its generations, placements and nodes.", "the record's own key"),
    DRIFT: ("driftState", "Reference windows of vectors and scores, and how it is now.", "the record's own key"),
}


def asyncapi_document(partitions: int) -> dict[str, Any]:
    """The document of an installation of P partitions."""
    specs = {spec.name: spec for spec in base_topics(partitions)}
    specs[VECTORS] = TopicSpec(VECTORS, partitions, specs[STATES].config)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "lookalive",
            "version": VERSION,
            "description": "The topics of a visual search engine. Producers write `catalog.changes` and may read "
            "`catalog.rejects`; every other topic is lookalive's own.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON_TYPE,
        "channels": {name: _channel(topic, specs[topic]) for topic, (name, _, _) in _CHANNELS.items()},
        "operations": {
            "receiveChanges": _operation("receive", "catalogChanges", "Take changes that producers send."),
            "sendRejects": _operation("send", "catalogRejects", "Say what was refused, and why."),
        },
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _channel(topic: str, spec: TopicSpec) -> dict[str, Any]:
    name, description, _ = _CHANNELS[topic]
    channel: dict[str, Any] = {
        "address": topic,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {
            "kafka": {
                "partitions": spec.partitions,
                "topicConfiguration": {"cleanup.policy": [spec.config["cleanup.policy"]]},
                "bindingVersion": "0.5.0",
            }
        },
    }
    if "{generation}" in topic:
        channel["parameters"] = {"generation": {"description": "the generation's name, as in g1"}}
    return channel


def _operation(action: str, channel: str, summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{channel}"}],
        "summary": summary,
    }


def _messages() -> dict[str, Any]:
    nullable = "A null value is Kafka's tombstone"
    payloads: dict[str, tuple[str, dict[str, Any]]] = {
        CHANGES: (f"{nullable}, and deletes the item its key names.", _ref("CatalogChange")),
        STATES: (f"{nullable} of an item that was deleted long ago.", _ref("ItemState")),
        REJECTS: ("", _ref("Reject")),
        CLUSTER: ("", _one_of(_CLUSTER_RECORDS)),
        DRIFT: ("", _one_of(_DRIFT_RECORDS)),
        VECTORS: (
            f"One byte of layout version ({LAYOUT_VERSION}), then MessagePack: see schemas/vector_record.py.",
            {"type": "string", "format": "binary"},
        ),
        RETRIES: ("", _ref("Retry")),
        SEARCH_EVENTS: ("", _ref("Impression")),
    }
    messages: dict[str, Any] = {}
    for topic, (note, payload) in payloads.items():
        name, description, key = _CHANNELS[topic]
        messages[name] = {
            "name": name,
            "description": f"{description} {note}".strip(),
            "contentType": BINARY_TYPE if topic == VECTORS else JSON_TYPE,
            "payload": payload,
            "bindings": {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": "0.5.0"}},
        }
    messages["catalogChanges"]["examples"] = [{"payload": example} for example in EXAMPLES]
    return messages


def _schemas() -> dict[str, Any]:
    types = (ItemState, Reject, Retry, Impression, *_CLUSTER_RECORDS, *_DRIFT_RECORDS)
    _, components = msgspec.json.schema_components(types, ref_template=_REFS)
    return {"CatalogChange": change_body(), **{name: _draft_07(schema) for name, schema in components.items()}}


def _one_of(records: tuple[type[msgspec.Struct], ...]) -> dict[str, Any]:
    return {"oneOf": [_ref(str(record.__name__)) for record in records]}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": _REFS.format(name=name)}


def _draft_07(schema: Any) -> Any:
    """The same schema with tuples as draft 07 writes them, and texts without the indentation of their docstrings."""
    if isinstance(schema, list):
        return [_draft_07(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    names = {"prefixItems": "items"}
    plain: dict[str, Any] = {str(names.get(name, name)): _draft_07(inner) for name, inner in schema.items()}
    if isinstance(plain.get("description"), str):
        plain["description"] = " ".join(plain["description"].split())
    return plain
