"""A cluster that asks for a password: every client of every role brings it, and a wrong one is said."""

import json
import urllib.request
from collections.abc import Callable

from ops.local_kafka import LocalKafka
from tests.process.conftest import RunningSystem
from tests.process.pictures import data_url, picture


def test_the_whole_system_with_sasl(
    make_kafka: Callable[..., LocalKafka], start_system: Callable[..., RunningSystem]
) -> None:
    broker = make_kafka(users={"lookalive": "a secret"})
    environ = {
        "LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "LOOKALIVE_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "LOOKALIVE_KAFKA__SASL_USERNAME": "lookalive",
        "LOOKALIVE_KAFKA__SASL_PASSWORD": "a secret",
        "LOOKALIVE_NODE__COUNT": "1",
    }
    system = start_system(**environ)
    change = {"image_url": data_url(picture("mine")), "attributes": {"n": 1}, "version": 7}
    request = urllib.request.Request(
        f"{system.router}/v1/items/mine?wait=searchable&timeout_ms=30000",
        json.dumps(change).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200, answer.read()
    assert system.found(["mine"]) == {"mine": (7, {"n": 1})}
    assert system.lookalive("catalog", "rejects") == []
    system.stop()

    said = system.lookalive_words("up", LOOKALIVE_KAFKA__SASL_PASSWORD="another")
    assert "LOOKALIVE_KAFKA__SASL_" in said, said
