"""The published schemas: kept to the code, valid themselves, and of one mind with the decoder."""

import base64
import functools
import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.schema_commands import document_text
from schemas.asyncapi import asyncapi_document
from schemas.change_schema import EXAMPLES, change_schema
from schemas.changes import decode_change
from schemas.cluster import Placement
from schemas.drift_records import DriftRenewal, encode_drift_record
from schemas.errors import ChangeRejected
from schemas.item_state import Origin, apply_change, encode_state
from schemas.queries import Hit
from schemas.rejects import Reject, RejectOrigin, encode_reject
from schemas.search_events import encode_impression, make_impression
from schemas.settings import KafkaSettings
from schemas.topics import base_topics, generation_topic

DOCS = Path(__file__).parents[2] / "ops" / "docs"
ASYNCAPI_SPECS = "@asyncapi/specs@6.11.1"
ASYNCAPI_SHA512 = "A3WBLqAKGoJ2+6FWFtpjBlCQ1oFCcs4GxF7zsIGvNqp/klGUHjlA3aAcZ9XMMpLGE8zPeYDz2x9FmO6DSuKraQ=="

validator = jsonschema.Draft202012Validator(change_schema())


def accepts(document: object) -> bool:
    return bool(validator.is_valid(document))


def decodes(document: object) -> bool:
    try:
        decode_change(json.dumps(document).encode(), None)
    except ChangeRejected:
        return False
    return True


def test_the_pages_are_what_the_commands_print() -> None:
    said = "run `lookalive schema change|asyncapi` again"
    assert (DOCS / "catalog-change.schema.json").read_text() == document_text(change_schema()), said
    assert (DOCS / "asyncapi.json").read_text() == document_text(asyncapi_document(KafkaSettings().partitions)), said


def test_the_schema_is_one_and_its_examples_fit_it() -> None:
    jsonschema.Draft202012Validator.check_schema(change_schema())
    assert all(accepts(example) and decodes(example) for example in EXAMPLES)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "op": st.sampled_from(["upsert", "patch", "delete"]),
    "item_id": st.text(min_size=1, max_size=6) | st.sampled_from(["a", "x" * 512, "x" * 513, "", "a\n", 5, None]),
    "image_url": st.none() | st.just("file:///a") | st.just(5),
    "image_urls": st.none() | st.lists(st.just("file:///a"), max_size=10) | st.lists(st.integers(), max_size=1),
    "attributes": st.none() | st.dictionaries(st.text(max_size=3), st.integers() | st.text()) | st.just([1]),
    "version": st.none() | st.integers(-(2**64), 2**64) | st.floats(0.1, 0.9) | st.just("1") | st.booleans(),
    "event_time": st.sampled_from(
        [
            None, 5, "", "yesterday", "2026-11-21T09:00:00Z", "2026-11-21T09:00:00Z\n", "2026-11-21 09:00:00.5+01:00",
            "2026-11-21t09:00:00z", "2026-11-21T09:00:00", "2026-11-21", "1969-11-21T09:00:00Z", "2026-13-21T09:00:00Z",
            "2026-11-21T24:00:00Z", "2026-11-21T09:00:60Z", "2026-11-21T09:00:00-0130", "2026-11-21T09:00Z",
            "٢026-11-21T09:00:00Z", "2026-11-21T09:00:00.Z", "2026-11-21T09:00:00+24:00",
        ]
    ),
    "trace": st.integers(),
}  # fmt: skip
LIKELY = st.fixed_dictionaries(
    {k: VALUES[k] for k in ("op", "item_id")},
    optional={k: v for k, v in VALUES.items() if k not in ("op", "item_id")},
)
ANY = st.fixed_dictionaries({}, optional=VALUES | {"op": VALUES["op"] | st.just("c") | st.none()})


@given(LIKELY | ANY | st.just([]) | st.none())
def test_what_the_schema_accepts_is_taken_and_the_reverse(document: Any) -> None:
    assert accepts(document) == decodes(document)


@pytest.mark.parametrize(
    "change",
    [
        {"op": "delete", "item_id": "ä" * 300},
        {"op": "delete", "item_id": "a", "version": 1.0},
        {"op": "delete", "item_id": "a", "event_time": "2026-02-30T00:00:00Z"},
        {"op": "patch", "item_id": "a", "attributes": {"text": "x" * 70_000}},
        {"op": "patch", "item_id": "a", "attributes": functools.reduce(lambda held, _: {"a": held}, range(80), {})},
    ],
)
def test_what_no_schema_can_say_the_decoder_refuses(change: dict[str, Any]) -> None:
    assert accepts(change)
    assert not decodes(change)


def test_every_topic_is_described() -> None:
    document = asyncapi_document(12)
    specs = [*base_topics(12), generation_topic("{generation}", 12)]
    assert {c["address"]: c["bindings"]["kafka"]["partitions"] for c in document["channels"].values()} == {
        spec.name: spec.partitions for spec in specs
    }


def test_what_is_written_fits_what_is_described() -> None:
    document = asyncapi_document(12)

    def check(name: str, value: bytes) -> None:
        schema = {"$ref": f"#/components/messages/{name}/payload", "components": document["components"]}
        jsonschema.Draft7Validator(schema).validate(json.loads(value))

    change = decode_change(json.dumps(EXAMPLES[0]).encode(), None)
    check("itemStates", encode_state(apply_change(None, change, Origin(3, 4, 5))))
    origin = RejectOrigin("catalog.changes", 1, 2, 3)
    check("catalogRejects", encode_reject(Reject(reason="bad_json", message="no", origin=origin, original="{")))
    placement = Placement(epoch=1, writer="up", serving="g1", shards={"g1": [["n1"], ["n2"]]})
    from schemas.cluster import encode_cluster_record

    check("clusterState", encode_cluster_record(placement))
    renewal = DriftRenewal(generation="g1", source="queries", since_us=1)
    check("driftState", encode_drift_record(renewal))
    vector = np.array([0.6, 0.8], np.float32)
    impression = make_impression("q1", "g1", 1, [Hit("a", 0.9)], vector, 2.5)
    check("searchEvents", encode_impression(impression))
    check("catalogChanges", json.dumps(EXAMPLES[1]).encode())


def test_the_document_is_asyncapi(tmp_path: Path) -> None:
    """By AsyncAPI's own JSON Schema, which comes from npm; left out, and said, where that cannot be reached."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, and AsyncAPI's own schema comes from there")
    packed = subprocess.run([npm, "pack", ASYNCAPI_SPECS], cwd=tmp_path, capture_output=True, timeout=90, check=False)
    if packed.returncode != 0:
        pytest.skip(f"npm cannot fetch {ASYNCAPI_SPECS}: {packed.stderr.decode()[-200:]}")
    archive = next(tmp_path.glob("*.tgz"))
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    assert digest == ASYNCAPI_SHA512
    with tarfile.open(archive) as tar:
        file = tar.extractfile("package/schemas/3.0.0-without-$id.json")
        assert file is not None
        schema = json.load(file)
    errors = jsonschema.Draft7Validator(schema).iter_errors(asyncapi_document(12))
    assert [f"{list(e.absolute_path)}: {e.message[:200]}" for e in errors] == []
