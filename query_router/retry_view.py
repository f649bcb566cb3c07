"""The items whose pictures wait to be fetched again, in bounded memory: why a picture does not show yet."""

import threading
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from query_router.recent_follower import RecentFollower
from query_router.reject_view import MAX_ITEMS, MAX_MESSAGE_CHARS
from schemas.cluster import ClusterView
from schemas.item_state import Stamp
from schemas.retries import Retry, decode_retry
from schemas.settings import KafkaSettings
from schemas.topics import RETRIES


class RetryView:
    """The newest record of the items that were put off last; one thread adds, any may read."""

    def __init__(self, max_items: int = MAX_ITEMS) -> None:
        self._max_items = max_items
        self._items: OrderedDict[tuple[str, str], Retry] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, retry: Retry) -> None:
        """Take the next record."""
        # The references are what is large, and nobody asks for them here.
        image = msgspec.structs.replace(retry.image, refs=())
        kept = msgspec.structs.replace(retry, image=image, refused=(), message=retry.message[:MAX_MESSAGE_CHARS])
        key = (retry.generation, retry.item_id)
        with self._lock:
            held = self._items.pop(key, None)
            # An attempt is written again after a crash.
            newer = held is None or (kept.image.at, kept.attempt) >= (held.image.at, held.attempt)
            self._items[key] = kept if held is None or newer else held
            while len(self._items) > self._max_items:
                self._items.popitem(last=False)

    def of(self, generation: str, item_id: str, image_at: Stamp) -> Retry | None:
        """The item's record in a generation, if it is of the pictures of this stamp; without their references."""
        with self._lock:
            held = self._items.get((generation, item_id))
        return held if held is not None and held.image.at == image_at else None


class RetryFollower(RecentFollower):
    """Fills `view` in the background."""

    def __init__(self, kafka: KafkaSettings, cluster_view: Callable[[], ClusterView]) -> None:
        self.view = RetryView()
        super().__init__(kafka, cluster_view, RETRIES, lambda value: self.view.add(decode_retry(value)))
