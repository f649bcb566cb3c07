"""The live feed: what became searchable just now, asked of the nodes for as long as somebody listens."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import structlog

from query_router.node_client import NodeClient
from query_router.placement_view import PlacementView
from query_router.search import iso_time
from schemas.cluster import NodeReport
from schemas.errors import Busy, NotReady
from schemas.live import LiveItem, LiveItems, LiveStatus, NodeLive, NodeNews

POLL_S, NODE_TIMEOUT_S = 0.3, 1.0
REMEMBERED, SENT_AT_ONCE, WAITING_EVENTS = 48, 48, 64

LiveEvent = LiveItems | LiveStatus
log = structlog.get_logger()


class Listener:
    """One listener's bounded queue; a slow one misses the oldest events and is told how many changes they held."""

    def __init__(self) -> None:
        self._events: deque[LiveEvent] = deque()
        self._missed = 0
        self._wake = asyncio.Event()
        self._closed = False

    def put(self, event: LiveEvent) -> None:
        """Hand over the next event."""
        self._events.append(event)
        if len(self._events) > WAITING_EVENTS:
            dropped = self._events.popleft()
            self._missed += len(dropped.items) + dropped.missed if isinstance(dropped, LiveItems) else 0
        self._wake.set()

    def close(self) -> None:
        """No more will come."""
        self._closed = True
        self._wake.set()

    async def get(self) -> LiveEvent | None:
        """The next event, waited for; None when no more will come."""
        while not self._events and not self._closed:
            self._wake.clear()
            await self._wake.wait()
        if not self._events:
            return None
        event = self._events.popleft()
        if self._missed and isinstance(event, LiveItems):
            event, self._missed = LiveItems(event.items, event.missed + self._missed), 0
        return event


class LiveFeed:
    """Hears every node that serves the searched generation, and tells all listeners.

    Nodes are asked only while somebody listens; a shard with several replicas is heard from one of them.
    """

    def __init__(
        self,
        placement: PlacementView,
        nodes: NodeClient,
        max_listeners: int,
        heard: Callable[[list[NodeNews]], None] = lambda news: None,
    ) -> None:
        """`heard` is told of what is new since the nodes were last asked, not of what they remembered before."""
        self._placement, self._nodes, self._max_listeners = placement, nodes, max_listeners
        self._heard = heard
        self._listeners: set[Listener] = set()
        self._polling: asyncio.Task[None] | None = None
        self._cursors: dict[str, str] = {}
        self._recent: deque[LiveItem] = deque(maxlen=REMEMBERED)
        self._status: LiveStatus | None = None

    @contextmanager
    def listener(self) -> Iterator[Listener]:
        """Listen: first what came before, as far as it is remembered, then what comes.

        Raises:
            Busy: as many listen already as may.
        """
        if len(self._listeners) >= self._max_listeners:
            raise Busy(f"{self._max_listeners} listen to the live feed already", max_listeners=self._max_listeners)
        listener = Listener()
        if self._status is not None:
            listener.put(self._status)
        if self._recent:
            listener.put(LiveItems(list(self._recent)))
        self._listeners.add(listener)
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll(), name="live-feed")
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                self._forget()

    async def close(self) -> None:
        """Send every listener home."""
        for listener in self._listeners:
            listener.close()
        polling = self._polling
        self._forget()
        if polling is not None:
            with suppress(asyncio.CancelledError):
                await polling

    def _forget(self) -> None:
        """Stop asking; who listens next begins with what the nodes remember."""
        if self._polling is not None:
            self._polling.cancel()
        self._polling, self._status = None, None
        self._cursors.clear()
        self._recent.clear()

    async def _poll(self) -> None:
        while True:
            try:
                await self._poll_once()
            except Exception:
                log.exception("live_feed_failed")
            await asyncio.sleep(POLL_S)

    async def _poll_once(self) -> None:
        try:
            generation = self._placement.pin().generation
        except NotReady:
            self._tell_status(LiveStatus(0, [], []))
            return
        serving = {shard: self._placement.replicas(generation.name, shard) for shard in range(generation.shards)}
        nodes = {replica.node: replica for replicas in serving.values() for replica in replicas}
        followed = set(self._cursors)
        answers = dict(zip(nodes, await asyncio.gather(*map(self._ask, nodes.values())), strict=True))
        heard = {name: answer for name, answer in answers.items() if answer is not None}
        tellers = {
            shard: min((name for name in heard if shard in heard[name].serving.get(generation.name, [])), default=None)
            for shard in serving
        }
        self._tell_status(
            LiveStatus(
                generation.shards,
                [shard for shard, teller in tellers.items() if teller is None],
                sorted(name for name, answer in answers.items() if answer is None),
            )
        )
        told = {
            name: [n for n in answer.items if n.generation == generation.name and tellers.get(n.shard) == name]
            for name, answer in heard.items()
        }
        self._heard([one for name in followed & set(told) for one in told[name]])
        self._tell_items([one for news in told.values() for one in news], sum(a.missed for a in heard.values()))

    async def _ask(self, node: NodeReport) -> NodeLive | None:
        """The node's news since it was last asked; None when it does not answer."""
        try:
            async with asyncio.timeout(NODE_TIMEOUT_S):
                answer = await self._nodes.live(node.url, self._cursors.get(node.node, ""))
        except (NotReady, TimeoutError):
            return None
        self._cursors[node.node] = answer.cursor
        return answer

    def _tell_status(self, status: LiveStatus) -> None:
        if status != self._status:
            self._status = status
            self._tell(status)

    def _tell_items(self, news: list[NodeNews], missed: int) -> None:
        if not news and not missed:
            return
        news.sort(key=lambda one: one.searchable_us)
        items = [_public(one) for one in news[-SENT_AT_ONCE:]]
        self._recent.extend(items)
        self._tell(LiveItems(items, missed + len(news) - len(items)))

    def _tell(self, event: LiveEvent) -> None:
        for listener in self._listeners:
            listener.put(event)


def _public(news: NodeNews) -> LiveItem:
    return LiveItem(
        item_id=news.item_id,
        kind=news.kind,
        generation=news.generation,
        event_time=iso_time(news.event_us),
        searchable_at=iso_time(news.searchable_us),
        delay_ms=(news.searchable_us - news.event_us) / 1000,
    )
