"""Following `catalog.rejects` into a `RejectView`."""

from collections.abc import Callable

from query_router.recent_follower import RecentFollower
from query_router.reject_view import RejectView
from schemas.cluster import ClusterView
from schemas.rejects import decode_reject
from schemas.settings import KafkaSettings
from schemas.topics import REJECTS


class RejectFollower(RecentFollower):
    """Fills `view` in the background."""

    def __init__(self, kafka: KafkaSettings, cluster_view: Callable[[], ClusterView]) -> None:
        self.view = RejectView()
        super().__init__(kafka, cluster_view, REJECTS, lambda value: self.view.add(decode_reject(value)))
