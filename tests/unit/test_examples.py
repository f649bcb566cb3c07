"""The examples for producers: whatever can be checked of them without a database and a Connect cluster."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from schemas.changes import decode_change
from schemas.debezium import ChangeDecoder
from schemas.settings import DebeziumSettings
from schemas.topics import CHANGES

EXAMPLES = Path(__file__).parents[2] / "ops" / "examples"
PAGE = Path(__file__).parents[2] / "ops" / "docs" / "producers.md"


def test_every_example_is_named_on_the_page() -> None:
    named = set(re.findall(r"\(\.\./examples/([\w.-]+)\)", PAGE.read_text()))
    assert named == {path.name for path in EXAMPLES.iterdir() if path.is_file()}


def test_the_shell_example_is_shell() -> None:
    assert subprocess.run(["sh", "-n", EXAMPLES / "send_changes.sh"], check=False).returncode == 0


@pytest.mark.parametrize("name", ["debezium-postgres.json", "debezium-outbox.json"])
def test_connectors_lead_to_our_topic(name: str) -> None:
    config: dict[str, Any] = json.loads((EXAMPLES / name).read_text())["config"]
    assert all(isinstance(value, str) for value in config.values())
    assert CHANGES in config.values()
    declared = config["transforms"].split(",")
    assert {key.split(".")[1] for key in config if key.startswith("transforms.")} == set(declared)


def test_what_the_table_connector_sends_is_taken_with_the_mapping_of_the_page() -> None:
    """The record that Debezium writes for such a connector, by its documentation."""
    named = dict(re.findall(r"^    LOOKALIVE_DEBEZIUM__(\w+)=([^\s#]+)", PAGE.read_text(), re.MULTILINE))
    lists = {"images", "attributes"}
    values = {k.lower(): v.strip("'") for k, v in named.items()}
    mapping = DebeziumSettings(**{k: tuple(v.split(",")) if k in lists else v for k, v in values.items()})  # type: ignore[arg-type]
    row = {"id": 7, "sku": "sku-7", "photo_url": "https://cdn/7.jpg", "more_photos": None, "price": 9.5}
    source = {"version": "3.3.0.Final", "connector": "postgresql", "ts_ms": 1, "snapshot": "false", "lsn": 33}
    event = {"before": None, "after": row, "source": source, "op": "c", "ts_ms": 2, "transaction": None}
    change = ChangeDecoder(mapping)(json.dumps(event).encode(), b'{"sku":"sku-7"}')
    assert (change.item_id, change.images, change.version) == ("sku-7", ("https://cdn/7.jpg",), 33)
    assert change.attributes == {"id": 7, "price": 9.5}


def test_changes_in_the_sql_example_are_taken() -> None:
    text = (EXAMPLES / "outbox.sql").read_text()
    literals = re.findall(r"'(\{.*?\})'", text)
    assert [decode_change(literal.encode(), None).op for literal in literals] == ["patch", "delete"]
    built = re.findall(r"'(op|item_id|image_url|attributes|version)', ", text)
    assert built == ["op", "item_id", "image_url", "attributes", "version"]
