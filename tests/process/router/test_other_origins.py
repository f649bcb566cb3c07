"""A page of another origin gains nothing through a user's browser; the router's own page and programs get in."""

from typing import Any

import pytest

from schemas.settings import RouterSettings
from tests.process.router.conftest import Stage

QUERY = {"vector": [1.0] * 64, "generation": "g1"}


async def status_with(stage: Stage, method: str = "POST", path: str = "/v1/search", **headers: str) -> tuple[int, Any]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return await stage.ask(method, path, json=QUERY if method == "POST" else None, headers=names)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://localhost.evil.example", "", "file://"]
)
async def test_page_of_another_origin_is_refused(stage: Stage, origin: str) -> None:
    for method, path in (("POST", "/v1/search"), ("PUT", "/v1/items/a"), ("DELETE", "/v1/items/a")):
        status, body = await status_with(stage, method, path, Origin=origin)
        assert (status, body["error"]["code"]) == (403, "bad_origin")


async def test_cross_site_request_without_an_origin_is_refused(stage: Stage) -> None:
    assert (await status_with(stage, Sec_Fetch_Site="cross-site"))[0] == 403
    assert (await status_with(stage, Sec_Fetch_Site="same-site"))[0] == 403
    assert (await status_with(stage, Sec_Fetch_Site="same-origin"))[0] == 200


async def test_own_page_and_programs_are_answered(stage: Stage) -> None:
    assert (await status_with(stage, Origin=stage.url("")))[0] == 200
    assert (await status_with(stage))[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "10.0.0.1", "", "a@b"])
async def test_other_names_for_this_machine_are_refused(stage: Stage, host: str) -> None:
    for method, path in (("GET", "/v1/items/a"), ("GET", "/"), ("POST", "/v1/search")):
        status, body = await status_with(stage, method, path, Host=host)
        assert (status, body["error"]["code"]) == (403, "bad_host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:99", "[::1]:8080", "127.9.9.9", "app.localhost"])
async def test_loopback_names_are_answered(stage: Stage, host: str) -> None:
    assert (await status_with(stage, "GET", "/healthz", Host=host))[0] == 200


async def test_named_hosts_are_answered(make_stage: Any) -> None:
    stage: Stage = await make_stage(router=RouterSettings(port=0, hosts=("shop.example",)))
    assert (await status_with(stage, Host="Shop.Example", Origin="https://shop.example"))[0] == 200
    assert (await status_with(stage, Host="shop.example", Origin="https://other.example"))[0] == 403
    assert (await status_with(stage, Host="other.example"))[0] == 403
