"""The router's process: follows the cluster, loads the model, listens, and ends when told to."""

import asyncio
import errno
import os
import signal
import sys
import threading
from pathlib import Path

import msgspec
import structlog
from aiohttp import web

from query_router.background import in_daemon_thread
from query_router.metrics import RouterMetrics
from query_router.query_embedding import QueryEmbedder
from query_router.server import build_app, check_loopback
from schemas.announcement import Announcement, announce
from schemas.cluster_log import ClusterFollower
from schemas.errors import LogError, LookaliveError, NotReady, SettingsError
from schemas.log_identity import LogWatch, router_topics
from schemas.settings import RouterSettings, Settings, load_settings

STOP_S = 1.5
RETRY_S = 0.5

log = structlog.get_logger()


def run_router(settings: Settings) -> int:
    """Run one router until SIGTERM or SIGINT; the exit status.

    Raises:
        SettingsError: the address is no loopback one or is in use, no Kafka is named, or there is no such model.
    """
    check_loopback(settings.router.host)
    if not settings.kafka.is_named:
        raise SettingsError(
            "no Kafka: set LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS, or run `lookalive up`",
            name="LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS",
        )
    asyncio.run(_run(settings))
    if any(thread.name == "load-encoder" for thread in threading.enumerate()):
        # A library that is still loading in a daemon thread can crash an interpreter that cleans up.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics = RouterMetrics()
    embedder = QueryEmbedder(settings.model, settings.images, metrics.registry)
    follower = ClusterFollower(settings.kafka)
    log_watch = LogWatch(settings.kafka, lambda: follower.view, router_topics)
    app = build_app(settings, lambda: follower.view, embedder, metrics, lambda: log_watch.trouble)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=STOP_S)
    await runner.setup()
    log_watch.start()
    try:
        url = await _listen(runner, settings.router)
        announcement = settings.data_path / "run" / "router.json"
        announce(announcement, url)
        try:
            await _serve(stop, follower, embedder)
        finally:
            _withdraw(announcement)
    finally:
        log_watch.stop()
        await runner.cleanup()
        await asyncio.gather(embedder.stop(), _stop_following(follower))


async def _serve(stop: asyncio.Event, follower: ClusterFollower, embedder: QueryEmbedder) -> None:
    """Until told to stop; raises what makes it impossible to ever be ready."""
    stopped = asyncio.create_task(stop.wait())
    getting_ready = {asyncio.create_task(_follow(follower)), asyncio.create_task(embedder.start())}
    waiting = {stopped, *getting_ready}
    try:
        while not stopped.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _follow(follower: ClusterFollower) -> None:
    """Start following, again and again until the broker answers; meanwhile `/readyz` says what is missing."""
    said = False
    while True:
        try:
            await in_daemon_thread(follower.start, "read-cluster")
        except (NotReady, LogError) as error:
            if not said:
                log.warning("cluster_not_read", error=error.message)
            said = True
            await asyncio.sleep(RETRY_S)
        else:
            return


async def _stop_following(follower: ClusterFollower) -> None:
    try:
        async with asyncio.timeout(STOP_S):
            await in_daemon_thread(follower.stop, "stop-following")
    except TimeoutError:
        log.warning("follower_still_running")


async def _listen(runner: web.AppRunner, settings: RouterSettings) -> str:
    """Bind, and the URL that says where."""
    host = "127.0.0.1" if settings.host == "localhost" else settings.host
    try:
        await web.TCPSite(runner, host, settings.port).start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(
                f"port {settings.port} on {host} is in use; set LOOKALIVE_ROUTER__PORT to another, or to 0 for any",
                name="LOOKALIVE_ROUTER__PORT",
            ) from error
        raise SettingsError(f"the router cannot listen on {host}:{settings.port}: {error.strerror}") from error
    port = runner.addresses[0][1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _withdraw(path: Path) -> None:
    """Remove the file, unless another router has written it since."""
    try:
        if msgspec.json.decode(path.read_bytes(), type=Announcement).pid == os.getpid():
            path.unlink()
    except (OSError, msgspec.DecodeError) as error:
        log.warning("announcement_not_removed", path=str(path), error=str(error))


def main() -> int:
    """`python -m query_router.main`: the settings from the environment; an error is one line."""
    try:
        return run_router(load_settings(os.environ))
    except LookaliveError as error:
        sys.stderr.write(f"error: {error.message}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
