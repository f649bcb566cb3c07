"""What lies before an agent, taken many records at a time.

Iterating over one of Faust's streams costs a turn of the event loop, sensors and a context variable per record. The
stream would read from the queue of its channel, which is read here directly, by Faust's own rules: what comes from an
assignment that has ended is passed over, and what was taken is noted, so that Faust waits for its acknowledgement
before it gives partitions away.
"""

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import faust


class Intake:
    """Takes from a stream's channel: at most `limit` records at once, in their order."""

    def __init__(self, app: "faust.App", stream: Any, limit: int, fill_s: float = 0.0) -> None:
        """With `fill_s`, takes follow each other after so many seconds at the soonest, unless as many wait as may be
        taken.
        """
        self._app = app
        self._queue = stream.channel.queue
        self._limit = limit
        self._fill_s = fill_s
        self._next_s = 0.0

    async def take(self) -> list[Any]:
        """The messages that are there, at least one."""
        while True:
            events = [await self._queue.get()]
            await self._fill()
            while len(events) < self._limit and not self._queue.empty():
                events.append(self._queue.get_nowait())
            messages = [event.message for event in events if self._counts(event.message)]
            if messages:
                self._app.consumer.track_all(messages)
                return messages

    async def _fill(self) -> None:
        if not self._fill_s:
            return
        clock = asyncio.get_running_loop().time
        wait_s = self._next_s - clock()
        if wait_s > 0 and self._queue.qsize() < self._limit - 1:
            await asyncio.sleep(wait_s)
        self._next_s = clock() + self._fill_s

    def _counts(self, message: Any) -> bool:
        generation: int = self._app.consumer_generation_id
        return bool(self._app.flow_control.is_active()) and message.generation_id == generation
