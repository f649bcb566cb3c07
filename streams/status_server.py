"""What a stream worker says of itself over HTTP, on loopback: alive, ready, measured."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from aiohttp import web

from schemas.announcement import announce
from streams.metrics import StreamMetrics

HOST = "127.0.0.1"
ANNOUNCE_AGAIN_S = 1.0


class StatusServer:
    """`/healthz`, `/readyz` and `/metrics`; `reasons` says what is missing, part by part, empty when ready, and
    `notes` what is worth knowing of parts that are.
    """

    def __init__(
        self,
        metrics: StreamMetrics,
        reasons: Callable[[], Mapping[str, str]],
        notes: Callable[[], Mapping[str, str]],
        announcement: Path,
    ) -> None:
        self._metrics = metrics
        self._reasons, self._notes = reasons, notes
        self._announcement = announcement
        self._runner: web.AppRunner | None = None
        self._announcing: asyncio.Task[None] | None = None

    async def start(self, port: int) -> str:
        """Listen (0: any free port), announce the address and return it."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._text),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, port).start()
        url = f"http://{HOST}:{self._runner.addresses[0][1]}"
        if not announce(self._announcement, url):
            self._announcing = asyncio.create_task(self._announce_later(url), name="announce")
        return url

    async def stop(self) -> None:
        """Stop listening and withdraw the announcement."""
        if self._announcing is not None:
            self._announcing.cancel()
        self._announcement.unlink(missing_ok=True)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _announce_later(self, url: str) -> None:
        while True:
            await asyncio.sleep(ANNOUNCE_AGAIN_S)
            if announce(self._announcement, url):
                return

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readyz(self, _: web.Request) -> web.Response:
        reasons = self._reasons()
        if reasons:
            return web.json_response({"status": "not ready", "reasons": dict(reasons)}, status=503)
        notes = dict(self._notes())
        return web.json_response({"status": "ready"} | ({"notes": notes} if notes else {}))

    async def _text(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})
