"""The routes: what each path does; `ROUTES` is also what the API's description is made from."""

import urllib.parse
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from query_router.admission import Admission
from query_router.error_middleware import error_response
from query_router.metrics import RouterMetrics
from query_router.openapi import RouteDoc, describe
from query_router.pages import docs_page, home_page
from query_router.query import Item, Query, parse_parameters
from query_router.readiness import Readiness
from query_router.request_body import read_query
from query_router.search import SearchService
from schemas.changes import check_item_id
from schemas.errors import ChangeRejected, NotReady
from schemas.queries import ItemAnswer, SearchAnswer, SearchBody, SearchOptions
from schemas.settings import ImageSettings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SERVICE = web.AppKey("service", SearchService)
ADMISSION = web.AppKey("admission", Admission)
READINESS = web.AppKey("readiness", Readiness)
METRICS = web.AppKey("metrics", RouterMetrics)
IMAGES = web.AppKey("images", ImageSettings)


class Route(NamedTuple):
    """One path and method, its handler and its description. An `{item_id}` is one percent-encoded path segment."""

    method: str
    path: str
    handler: Handler
    doc: RouteDoc


async def search(request: web.Request) -> web.Response:
    with request.app[ADMISSION].admitted():
        query = await read_query(request, request.app[IMAGES])
        return json_response(await request.app[SERVICE].search(query))


async def similar(request: web.Request) -> web.Response:
    query = Query(Item(item_id_of(request)), parse_parameters(request.rel_url.query.items()))
    with request.app[ADMISSION].admitted():
        return json_response(await request.app[SERVICE].search(query))


async def item(request: web.Request) -> web.Response:
    return json_response(await request.app[SERVICE].item(item_id_of(request)))


async def healthz(_: web.Request) -> web.Response:
    return json_response({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    try:
        return json_response(request.app[READINESS].check())
    except NotReady as error:
        return error_response(error)  # asked all the time while a system starts: no line in the log for each


async def metrics(request: web.Request) -> web.Response:
    return web.Response(body=request.app[METRICS].text(), headers={"Content-Type": "text/plain; version=0.0.4"})


async def openapi(_: web.Request) -> web.Response:
    return json_response(api_description())


async def docs(_: web.Request) -> web.Response:
    return web.Response(text=docs_page(api_description()), content_type="text/html")


async def home(_: web.Request) -> web.Response:
    return web.Response(text=home_page(), content_type="text/html")


def item_id_of(request: web.Request) -> str:
    """The id in `/v1/items/{item_id}`, from the path as it was sent: `%2F` belongs to the id, `/` does not.

    Raises:
        ChangeRejected: `bad_id`, when it is not UTF-8, or no id.
    """
    segment = request.rel_url.raw_path.split("/")[3]
    try:
        return check_item_id(urllib.parse.unquote_to_bytes(segment.encode(errors="surrogateescape")).decode())
    except UnicodeDecodeError as error:
        raise ChangeRejected("the item id in the path is not UTF-8", code="bad_id") from error


def json_response(body: object) -> web.Response:
    """A 200 with this as JSON."""
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def api_description() -> dict[str, Any]:
    """The OpenAPI document of all routes."""
    return describe([(route.method, route.path, route.doc) for route in ROUTES])


def add_routes(app: web.Application) -> None:
    """Let the application serve every route."""
    for route in ROUTES:
        pattern = route.path.replace("{item_id}", "{item_id:[^/]+}")
        if route.method == "GET":
            app.router.add_get(pattern, route.handler)
        else:
            app.router.add_route(route.method, pattern, route.handler)


def route_label(request: web.Request) -> str:
    """The route's path as a metric's label: never the id in it."""
    resource = request.match_info.route.resource
    return "unknown" if resource is None else resource.canonical


_NODES_ERRORS = (429, 503)
ROUTES = (
    Route(
        "POST",
        "/v1/search",
        search,
        RouteDoc(
            "Find the items that look like a picture, an item or a vector",
            "Send a form with the file `image` and, as JSON, the field `query`; or a JSON body with exactly one of "
            "`image_url` (data: only), `image_b64`, `item_id` and `vector` (with its `generation`). With `item_id`, "
            "the item itself is left out of the answer, and an item of several pictures counts by its best. "
            "`timeout_ms` is cut to the router's longest. Shards that fail or are late are missing from the answer and "
            "counted in `shards`; when none answered, `degraded` is `no_shards`. `collapse` and `diversity` are not "
            "supported by this version.",
            answer=SearchAnswer,
            body=SearchBody,
            form_options=SearchOptions,
            errors=(400, 404, 409, 413, 422, *_NODES_ERRORS),
        ),
    ),
    Route(
        "GET",
        "/v1/items/{item_id}",
        item,
        RouteDoc(
            "One item as it can be found now",
            "The id is one path segment: percent-encode a slash in it. 404 until the item can be found and after it "
            "was deleted. Times are ISO 8601 in UTC.",
            answer=ItemAnswer,
            errors=(400, 404, 503),
        ),
    ),
    Route(
        "GET",
        "/v1/items/{item_id}/similar",
        similar,
        RouteDoc(
            "The items that look like an item",
            "As `POST /v1/search` with `item_id`: the item itself is left out. `filter` is JSON.",
            answer=SearchAnswer,
            parameters=SearchOptions,
            without=("crop", "collapse", "diversity"),
            errors=(400, 404, *_NODES_ERRORS),
        ),
    ),
    Route("GET", "/healthz", healthz, RouteDoc("Whether the process is alive", "Always 200.", answer=dict)),
    Route(
        "GET",
        "/readyz",
        readyz,
        RouteDoc(
            "Whether queries should be sent here",
            "200 once the cluster is known, the model is loaded and fits the generation, and every shard is served; "
            "from then on while the model works and at least one shard is served. Otherwise 503 with the reasons.",
            answer=dict,
            errors=(503,),
        ),
    ),
    Route("GET", "/metrics", metrics, RouteDoc("Prometheus metrics", "In the text format.", answer_type="text/plain")),
    Route("GET", "/openapi.json", openapi, RouteDoc("This description", "OpenAPI 3.1.", answer=dict)),
    Route("GET", "/docs", docs, RouteDoc("This description as a page", "For people.", answer_type="text/html")),
    Route("GET", "/", home, RouteDoc("A page to search with", "For people.", answer_type="text/html")),
)
