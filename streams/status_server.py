"""What a stream worker says of itself over HTTP, on loopback: alive, ready, measured."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
from aiohttp import web

from streams.metrics import StreamMetrics

HOST = "127.0.0.1"


class Announcement(msgspec.Struct, frozen=True):
    """`<data_dir>/run/stream-<id>.json`: which process, and where it answers."""

    pid: int
    url: str


class StatusServer:
    """`/healthz`, `/readyz` and `/metrics`; `reasons` says what is missing, part by part, empty when ready."""

    def __init__(self, metrics: StreamMetrics, reasons: Callable[[], dict[str, str]], announcement: Path) -> None:
        self._metrics = metrics
        self._reasons = reasons
        self._announcement = announcement
        self._runner: web.AppRunner | None = None

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
        self._announcement.parent.mkdir(parents=True, exist_ok=True)
        aside = self._announcement.with_suffix(".part")
        aside.write_bytes(msgspec.json.encode(Announcement(os.getpid(), url)))
        aside.replace(self._announcement)
        return url

    async def stop(self) -> None:
        """Stop listening and withdraw the announcement."""
        self._announcement.unlink(missing_ok=True)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readyz(self, _: web.Request) -> web.Response:
        reasons = self._reasons()
        if reasons:
            return web.json_response({"status": "not ready", "reasons": reasons}, status=503)
        return web.json_response({"status": "ready"})

    async def _text(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})
