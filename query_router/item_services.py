"""What writing and showing items needs, put together for one application and ended with it."""

from collections.abc import Callable

from aiohttp import web

from embedder.fetch import catalog_fetcher
from embedder.image_store import ImageStore
from query_router import item_routes
from query_router.change_body import ChangeReader
from query_router.change_log import ChangeLog
from query_router.change_watch import ChangeWatch
from query_router.fan_out import FanOut
from query_router.freshness_notes import FreshnessNotes
from query_router.item_pictures import ItemPictures
from query_router.item_status import StatusService
from query_router.item_writer import ItemWriter
from query_router.placement_view import PlacementView
from query_router.reject_follower import RejectFollower
from query_router.retry_view import RetryFollower
from schemas.cluster import ClusterView
from schemas.settings import MIB, Settings


class ItemServices:
    """To be made and closed in the event loop; nothing here waits for Kafka to begin."""

    def __init__(
        self,
        settings: Settings,
        cluster_view: Callable[[], ClusterView],
        placement: PlacementView,
        fan_out: FanOut,
        notes: FreshnessNotes,
    ) -> None:
        router, images = settings.router, settings.images
        store = ImageStore(settings.image_store_path)
        self._rejects = RejectFollower(settings.kafka, cluster_view)
        self._retries = RetryFollower(settings.kafka, cluster_view)
        self._log = ChangeLog(settings.kafka, router.write_queue, cluster_view)
        self._watch = ChangeWatch(placement, fan_out, self._rejects.view, router.max_waits, notes.shown)
        self._reader = ChangeReader(images, store.put)
        self._writer = ItemWriter(router, self._log, self._watch, notes.wrote)
        timeout_s = router.timeout_ms / 1000
        self._statuses = StatusService(
            placement, fan_out, self._rejects.view, self._retries.view, self._writer.recent, timeout_s
        )
        self._pictures = ItemPictures(
            placement,
            fan_out,
            catalog_fetcher(images, store),
            images.max_pixels,
            int(router.thumbnail_mib * MIB),
            timeout_s,
        )

    def install(self, app: web.Application) -> None:
        """Give the routes what they need, and begin to follow refusals and retries."""
        app[item_routes.READER] = self._reader
        app[item_routes.WRITER] = self._writer
        app[item_routes.STATUSES] = self._statuses
        app[item_routes.PICTURES] = self._pictures
        self._rejects.start()
        self._retries.start()

    async def close(self) -> None:
        """End everything."""
        self._rejects.stop()
        self._retries.stop()
        await self._watch.close()
        await self._pictures.close()
        await self._log.stop()
