"""The API's description covers every route, and everything in it that is named is there."""

import json
import re
import shlex

import pytest
from aiohttp import web

from query_router.metrics import RouterMetrics
from query_router.pages import docs_page
from query_router.query_embedding import QueryEmbedder
from query_router.routes import api_description
from query_router.server import build_app, check_loopback
from query_router.web_files import home_page, web_files
from schemas.cluster import ClusterView
from schemas.errors import SettingsError
from schemas.settings import Settings


def app() -> web.Application:
    settings, metrics = Settings(), RouterMetrics()
    embedder = QueryEmbedder(settings.model, settings.images, metrics.registry)
    return build_app(settings, ClusterView, embedder, metrics)


def test_every_route_is_described_and_nothing_else() -> None:
    described = {(method.upper(), path) for path, methods in api_description()["paths"].items() for method in methods}
    served = {
        (route.method, route.resource.canonical)
        for route in app().router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert described == served


def test_every_named_type_is_there() -> None:
    description = api_description()
    named = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(description)))
    assert named <= set(description["components"]["schemas"])
    assert {"SearchBody", "SearchAnswer", "ItemAnswer", "ErrorAnswer"} <= named


def test_every_route_has_an_example_of_its_own_path() -> None:
    for path, methods in api_description()["paths"].items():
        for method, operation in methods.items():
            (example,) = operation["x-codeSamples"]
            source = example["source"]
            assert re.search(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + r"(\?|'|$)", source)
            assert ("curl -X" in source) == (method in ("put", "patch", "delete"))
            assert len(shlex.split(source)) > 1


def test_the_page_is_written_for_people() -> None:
    html = docs_page(api_description(), "http://shop:9000")
    assert "`" not in html
    assert "{&quot;type" not in html
    assert "<code>k</code>" in html
    assert "a whole number, 1 to 1000; <code>10</code> unless given" in html
    assert "curl http://shop:9000/v1/items/mug-1" in html
    assert "127.0.0.1:8080" not in html


def test_every_parameter_in_a_path_is_declared() -> None:
    for path, methods in api_description()["paths"].items():
        for operation in methods.values():
            declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert declared == set(re.findall(r"\{(\w+)\}", path))


def test_pages_need_nothing_from_outside() -> None:
    html_pages = (docs_page(api_description()), home_page())
    for html in html_pages:
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)
        assert not re.search(r"""<style|style=|<script(?! type="module" src="/web/)|\son\w+=""", html)
    named = {name for html in html_pages for name in re.findall(r"/web/([\w.]+)", html)}
    named |= {
        name for file in web_files().values() for name in re.findall(r"""from "/web/([\w.]+)\"""", file.body.decode())
    }
    assert named == set(web_files()) - {"index.html"}
    assert all(path in docs_page(api_description()) for path in ("/v1/search", "/v1/items/{item_id}/similar"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback_is_listened_on(host: str) -> None:
    check_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", "", "localhost.example.org"])
def test_anything_else_is_not(host: str) -> None:
    with pytest.raises(SettingsError, match="loopback"):
        check_loopback(host)
