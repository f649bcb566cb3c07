"""A write that searches will not show says why: a newer change, a refused picture, nothing to show, or no time."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from query_router.client import RouterClient
from schemas.errors import LookaliveError
from tests.process.conftest import RunningSystem
from tests.process.pictures import data_url, encoded, picture

WAIT: dict[str, Any] = {"wait": True, "timeout_ms": 30_000}
BLANK = encoded(Image.new("RGB", (64, 64), (200, 10, 10)))


@pytest.fixture
def client(system: RunningSystem) -> Iterator[RouterClient]:
    with RouterClient(system.router) as client:
        yield client


def refusal(client: RouterClient, *call: Any, **change: Any) -> LookaliveError:
    with pytest.raises(LookaliveError) as caught:
        client.put(*call, **change, **WAIT)
    return caught.value


def test_newer_version_is_a_conflict(client: RouterClient) -> None:
    client.put("won", encoded(picture("won")), version=5, attributes={"a": 1}, **WAIT)
    lost = refusal(client, "won", encoded(picture("lost")), version=4, attributes={"a": 2})
    assert lost.code == "newer_version"
    assert lost.details["version"] == 4
    assert lost.details["current_version"] == 5
    assert lost.details["superseded"] == ["attributes.a", "image"]
    assert client.item("won").version == 5
    with pytest.raises(LookaliveError) as caught:
        client.delete("won", version=4, **WAIT)
    assert caught.value.code == "newer_version"
    with pytest.raises(LookaliveError) as caught:
        client.patch("won", version=4, attributes={"a": 3, "b": 4}, **WAIT)
    assert caught.value.details["superseded"] == ["attributes.a", "attributes.b"]


def test_refused_picture_is_said_with_its_reason(client: RouterClient) -> None:
    refused = refusal(client, "blank", BLANK)
    assert refused.code == "image_blank"
    assert "blank" in refused.message
    assert refusal(client, "no-file", image_url="file:///nowhere/at-all.png").code == "image_unreachable"
    assert refusal(client, "no-base64", image_url="data:image/png;base64,@@@").code == "image_corrupt"
    status = client.status("blank")
    assert (status.phase, status.searchable, status.embedded) == ("rejected", False, False)
    assert "its picture was refused: image_blank" in status.explanation
    assert [r.reason for r in status.rejected] == ["image_blank"]


def test_one_of_two_pictures_refused_is_a_warning(client: RouterClient) -> None:
    answer = client.put("half", encoded(picture("half")), BLANK, **WAIT)
    assert answer.searchable is True
    # The router reads refusals a moment later.
    until_s = time.monotonic() + 60
    while "blank" not in (said := client.status("half").explanation) and time.monotonic() < until_s:
        time.sleep(0.1)
    assert "blank" in said


def test_earlier_picture_is_found_while_the_new_one_is_refused(client: RouterClient) -> None:
    client.put("kept", encoded(picture("kept")), **WAIT)
    assert refusal(client, "kept", BLANK).code == "image_blank"
    status = client.status("kept")
    assert (status.phase, status.searchable) == ("searchable", True)
    assert "earlier picture" in status.explanation


def test_what_will_never_show_is_not_waited_for(client: RouterClient) -> None:
    bare = client.put("bare", attributes={"a": 1}, **WAIT)
    assert bare.searchable is False
    assert "no picture" in str(bare.reason)
    assert client.status("bare").phase == "no_picture"
    early = client.patch("early", attributes={"a": 1}, **WAIT)
    assert early.searchable is False
    assert client.status("early").phase == "not_upserted"


def test_time_out_is_no_error(client: RouterClient) -> None:
    answer = client.put("slow", image_url=data_url(picture("slow")), wait=True, timeout_ms=1)
    assert answer.searchable is False
    assert "time-out" in str(answer.reason)
    assert client.put("slow", attributes={"a": 1}, **WAIT).searchable is True
