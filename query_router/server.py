"""The router's HTTP application: its parts put together, and the addresses it may listen on."""

import ipaddress
from collections.abc import AsyncIterator, Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from query_router import routes
from query_router.admission import Admission
from query_router.error_middleware import answer_errors
from query_router.fan_out import FanOut
from query_router.freshness_notes import FreshnessNotes
from query_router.item_routes import WRITES
from query_router.item_services import ItemServices
from query_router.live_feed import LiveFeed
from query_router.live_routes import LIVE
from query_router.metrics import RouterMetrics
from query_router.node_client import NodeClient
from query_router.placement_view import PlacementView
from query_router.query_embedding import QueryEmbedder
from query_router.readiness import Readiness
from query_router.same_origin import same_origin_only
from query_router.search import SearchService
from query_router.search_samples import SearchSamples
from schemas.cluster import ClusterView
from schemas.errors import SettingsError
from schemas.settings import Settings


def build_app(
    settings: Settings,
    cluster_view: Callable[[], ClusterView],
    embedder: QueryEmbedder,
    metrics: RouterMetrics,
    log_trouble: Callable[[], str | None] = lambda: None,
) -> web.Application:
    """The application. `cluster_view` returns the newest view, `log_trouble` why no change is taken just now; the
    embedder is started and stopped by the caller.
    """
    gate = same_origin_only(settings.router.hosts)
    app = web.Application(middlewares=[count_requests, answer_errors, gate])
    placement = PlacementView(cluster_view)

    async def connect_nodes(app: web.Application) -> AsyncIterator[None]:
        nodes = NodeClient()
        fan_out = FanOut(placement, nodes, metrics)
        items = ItemServices(settings, cluster_view, placement, fan_out, notes)
        items.install(app)
        samples = SearchSamples(settings.kafka, settings.drift.queries_per_s, cluster_view, metrics)
        samples.start()
        app[routes.SERVICE] = SearchService(settings.router, placement, fan_out, embedder, metrics, samples)
        app[LIVE] = LiveFeed(placement, nodes, settings.router.max_listeners, notes.heard)
        yield
        samples.stop()
        await items.close()
        await nodes.close()

    notes = app[routes.FRESHNESS] = FreshnessNotes(metrics)
    app[routes.METRICS] = metrics
    app[routes.IMAGES] = settings.images
    app[routes.ADMISSION] = Admission(settings.router.max_queries, metrics.in_flight)
    app[WRITES] = Admission(settings.router.max_queries, metrics.writes_in_flight)
    app[routes.READINESS] = Readiness(placement, embedder, log_trouble)
    app.cleanup_ctx.append(connect_nodes)
    app.on_shutdown.append(end_live)
    routes.add_routes(app)
    return app


async def end_live(app: web.Application) -> None:
    """Send listeners home: their requests would last for ever."""
    await app[LIVE].close()


@web.middleware
async def count_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Counts every answer by route and status; outermost, so that errors are counted as what they became."""
    answer = await handler(request)
    request.app[routes.METRICS].requests.labels(routes.route_label(request), str(answer.status)).inc()
    return answer


def check_loopback(host: str) -> None:
    """Pass an address that only this machine can reach.

    Raises:
        SettingsError: any other.
    """
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise SettingsError(
            f"the router has no API keys yet, so it listens on a loopback address only, not on {host!r}; "
            "set LOOKALIVE_ROUTER__HOST=127.0.0.1 and put a proxy that checks who asks in front of it",
            name="LOOKALIVE_ROUTER__HOST",
        )
