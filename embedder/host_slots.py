"""Room to fetch: how many pictures at once, from all hosts and from each; and hosts that are down for now.

            5 failures in a row                  the pause is over: one attempt
    CLOSED ---------------------> OPEN (a pause) ------------------------------> PROBING
       ^                            ^                                             |   |
       |                            +------------- it fails: a longer pause ------+   |
       +------------------------------------------ it succeeds ----------------------+

While a host is OPEN or PROBING whoever wants it is turned away at once, those who wait already among them: a host that
hangs must not fill the window of what is in flight with pictures that wait for it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

import structlog

from schemas.errors import ImageRejected

FAILURES_IN_A_ROW = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 60.0
REMEMBERED_HOSTS = 4096

log = structlog.get_logger()


class HostDown(ImageRejected):
    """The host has failed again and again, and is left alone for a while: `pause_s` seconds from now on."""

    def __init__(self, host: str, pause_s: float) -> None:
        super().__init__(
            f"{host} is not asked: its last {FAILURES_IN_A_ROW} answers or more failed; it is tried again within "
            f"{max(pause_s, 0.0):.0f} s",
            code="image_unreachable",
            temporary=True,
            host=host,
        )
        self.pause_s = max(pause_s, 0.0)


class _Host:
    """What is known of one host."""

    def __init__(self) -> None:
        self.active = 0
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.failures = 0
        self.pause_s = 0.0
        self.open_until: float | None = None
        self.probing = False

    @property
    def idle(self) -> bool:
        return not self.active and not self.waiting and self.open_until is None and not self.failures


class HostSlots:
    """At most `per_host` fetches of one host and `total` of all at a time; a slot is held until its release."""

    def __init__(self, total: int, per_host: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = asyncio.Semaphore(total)
        self._per_host = per_host
        self._clock = clock
        self._hosts: dict[str, _Host] = {}

    async def acquire(self, name: str) -> "Slot":
        """Waits for room.

        Raises:
            HostDown: the host is left alone, or becomes so while this waits.
        """
        host = self._host(name)
        probe = self._admit(name, host)
        try:
            if host.active < self._per_host:
                host.active += 1
            else:
                await self._wait(host)
            try:
                await self._total.acquire()
            except BaseException:
                self._free(host)
                raise
        except BaseException:
            host.probing = host.probing and not probe
            raise
        return Slot(self, name, host, probe=probe)

    def _host(self, name: str) -> _Host:
        if name not in self._hosts and len(self._hosts) >= REMEMBERED_HOSTS:
            self._hosts = {n: h for n, h in self._hosts.items() if not h.idle}
        return self._hosts.setdefault(name, _Host())

    def _admit(self, name: str, host: _Host) -> bool:
        """Whether this fetch is the probe of a host that was left alone."""
        if host.open_until is None:
            return False
        left_s = host.open_until - self._clock()
        if left_s > 0 or host.probing:
            raise HostDown(name, left_s if left_s > 0 else host.pause_s)
        host.probing = True
        return True

    async def _wait(self, host: _Host) -> None:
        turn = asyncio.get_running_loop().create_future()
        host.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._free(host)
            raise

    def _free(self, host: _Host) -> None:
        """Hands a host's slot to whoever waits the longest."""
        while host.waiting:
            turn = host.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        host.active -= 1

    def _succeeded(self, name: str, host: _Host) -> None:
        if host.open_until is not None:
            log.info("image_host_back", host=name)
        host.failures, host.pause_s, host.open_until = 0, 0.0, None

    def _failed(self, name: str, host: _Host, probe: bool) -> None:
        host.failures += 1
        if host.failures < FAILURES_IN_A_ROW or (host.open_until is not None and not probe):
            return
        host.pause_s = min(max(2 * host.pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        host.open_until = self._clock() + host.pause_s
        log.warning("image_host_down", host=name, failures=host.failures, pause_s=host.pause_s)
        waiting, host.waiting = host.waiting, deque()
        for turn in waiting:
            if not turn.done():
                turn.set_exception(HostDown(name, host.pause_s))

    def _release(self, host: _Host, probe: bool) -> None:
        self._total.release()
        host.probing = host.probing and not probe
        self._free(host)


class Slot:
    """One fetch's room; say how it went before giving it back."""

    def __init__(self, slots: HostSlots, name: str, host: _Host, *, probe: bool) -> None:
        self._slots = slots
        self._name = name
        self._host = host
        self._probe = probe
        self._held = True

    def succeeded(self) -> None:
        """The host is well: it answered, be it with a no."""
        self._slots._succeeded(self._name, self._host)

    def failed(self) -> None:
        """The host did not answer, or said that it cannot."""
        self._slots._failed(self._name, self._host, self._probe)

    def release(self) -> None:
        """Gives the room back; once is enough."""
        if self._held:
            self._held = False
            self._slots._release(self._host, self._probe)
