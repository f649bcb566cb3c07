"""The routes: what each path does; `ROUTES` is also what the API's description is made from."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiohttp import web

from query_router import item_routes
from query_router.admission import Admission
from query_router.curl_examples import HERE
from query_router.error_middleware import error_response
from query_router.freshness_notes import FreshnessNotes
from query_router.live_routes import LIVE_DOC, live
from query_router.metrics import RouterMetrics
from query_router.openapi import RouteDoc, describe
from query_router.pages import docs_page
from query_router.query import Item, Query, parse_parameters
from query_router.readiness import Readiness
from query_router.request_body import read_query
from query_router.search import SearchService
from query_router.web_files import WEB_DOC, home, html_response, web_file
from query_router.wire import json_response, shown_item_of
from schemas.canary import CANARY_HEADER
from schemas.errors import NotReady
from schemas.queries import ItemAnswer, SearchAnswer, SearchBody, SearchOptions
from schemas.settings import ImageSettings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SERVICE = web.AppKey("service", SearchService)
ADMISSION = web.AppKey("admission", Admission)
READINESS = web.AppKey("readiness", Readiness)
METRICS = web.AppKey("metrics", RouterMetrics)
FRESHNESS = web.AppKey("freshness", FreshnessNotes)
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
        query = query._replace(canaries=CANARY_HEADER in request.headers)
        answer = await request.app[SERVICE].search(query)
        if query.canaries:
            request.app[FRESHNESS].found([hit.item_id for hit in answer.items])
        return json_response(answer)


async def similar(request: web.Request) -> web.Response:
    query = Query(Item(shown_item_of(request)), parse_parameters(request.rel_url.query.items()))
    with request.app[ADMISSION].admitted():
        return json_response(await request.app[SERVICE].search(query))


async def item(request: web.Request) -> web.Response:
    return json_response(await request.app[SERVICE].item(shown_item_of(request)))


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


async def docs(request: web.Request) -> web.Response:
    try:
        here = str(request.url.origin())
    except ValueError:  # a `Host` that is none
        here = HERE
    return html_response(docs_page(api_description(), here))


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
            "`image_url` (http:, https: or data:), `image_b64`, `item_id` and `vector` (with its `generation`). With "
            "`item_id`, the item itself is left out of the answer, and an item of several pictures counts by its best. "
            "`timeout_ms` is cut to the router's longest. Shards that fail or are late are missing from the answer and "
            "counted in `shards`; when none answered, `degraded` is `no_shards`. `collapse` and `diversity` are not "
            "supported by this version.",
            answer=SearchAnswer,
            body=SearchBody,
            form_options=SearchOptions,
            errors=(400, 403, 404, 409, 413, 422, *_NODES_ERRORS),
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
    Route("PUT", "/v1/items/{item_id}", item_routes.put, item_routes.PUT_DOC),
    Route("PATCH", "/v1/items/{item_id}", item_routes.patch, item_routes.PATCH_DOC),
    Route("DELETE", "/v1/items/{item_id}", item_routes.delete, item_routes.DELETE_DOC),
    Route("POST", "/v1/items", item_routes.put_list, item_routes.LIST_DOC),
    Route("GET", "/v1/items/{item_id}/status", item_routes.status, item_routes.STATUS_DOC),
    Route("GET", "/v1/items/{item_id}/image", item_routes.image, item_routes.IMAGE_DOC),
    Route("GET", "/v1/live", live, LIVE_DOC),
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
    Route("GET", "/web/{file}", web_file, WEB_DOC),
)
