"""Identities of new local Kafkas are what Kafka's tools take for one."""

from base64 import urlsafe_b64decode

import pytest

from ops import local_kafka
from ops.local_kafka import new_cluster_id


class Numbers:
    """The random numbers of this test, one after the other."""

    def __init__(self, *numbers: bytes) -> None:
        self._left = list(numbers)

    @property
    def bytes(self) -> bytes:
        return self._left.pop(0)


def test_none_begins_like_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    like_an_option, good = bytes([0xF8] * 16), bytes(range(16))
    numbers = Numbers(like_an_option, good)
    monkeypatch.setattr(local_kafka.uuid, "uuid4", lambda: numbers)
    assert urlsafe_b64decode(new_cluster_id() + "==") == good
