"""A shard node as a process: wait for the installation, hold shards, serve them, stop on a signal."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
import time

import structlog
from aiohttp import web

from index_shards.faiss_api import faiss
from index_shards.node.metrics import NodeMetrics
from index_shards.node.reconciler import Reconciler
from index_shards.node.search_pool import SWITCH_S, SearchPool
from index_shards.node.server import KEEP_ALIVE_S, NodeServer
from schemas.cluster_log import read_cluster
from schemas.errors import LogError, LookaliveError, NotReady, SettingsError
from schemas.settings import Settings, load_settings

log = structlog.get_logger()

WAIT_FOR_INSTALLATION_S, WAIT_STEP_S = 120.0, 0.5
HTTP_STOP_S, STOP_S = 1.0, 9.0
EVERYWHERE = "0.0.0.0"  # noqa: S104 - compared with, not bound to


def run_node(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; the process' exit status (sysexits.h)."""
    faiss.omp_set_num_threads(1)
    sys.setswitchinterval(SWITCH_S)
    try:
        return asyncio.run(_run(settings))
    except SettingsError as error:
        log.critical("node_misconfigured", error=error.message)
        return os.EX_CONFIG
    except LogError as error:
        log.critical("node_refuses_log", error=error.message)
        return os.EX_CONFIG
    except LookaliveError as error:
        log.critical("node_gave_up", error=error.message)
        return os.EX_TEMPFAIL


async def _run(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _ask_to_stop, stop)
    if not await _installed(settings, stop):
        return os.EX_OK
    return await _serve(settings, stop)


def _ask_to_stop(stop: asyncio.Event) -> None:
    """Stop in good order, and without it when that takes too long (a broker that does not answer)."""
    stop.set()
    last_resort = threading.Timer(STOP_S, os._exit, [os.EX_OK])
    last_resort.daemon = True
    last_resort.start()


async def _installed(settings: Settings, stop: asyncio.Event) -> bool:
    """Wait until `cluster.state` has an installation; False when told to stop before.

    Raises:
        NotReady: Kafka was there, and it took too long.
        LogError: the installation has another partition count than the settings.
    """
    deadline_s, said = time.monotonic() + WAIT_FOR_INSTALLATION_S, ""
    while not stop.is_set():
        try:
            view = await asyncio.to_thread(read_cluster, settings.kafka)
            reason = "nothing is installed on this Kafka yet"
        except NotReady as error:
            view, reason = None, error.message
            # A broker comes back by itself; only what it lacks is not waited for without end.
            deadline_s = time.monotonic() + WAIT_FOR_INSTALLATION_S
        if view is not None and view.installation is not None:
            if view.installation.partitions != settings.kafka.partitions:
                raise LogError(
                    f"this installation has {view.installation.partitions} partitions, the settings say "
                    f"{settings.kafka.partitions}",
                    code="partition_mismatch",
                )
            return True
        if reason != said:
            log.info("node_waits", reason=reason)
            said = reason
        if time.monotonic() > deadline_s:
            raise NotReady(f"no installation after {WAIT_FOR_INSTALLATION_S:.0f} s: {reason}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), WAIT_STEP_S)
    return False


async def _serve(settings: Settings, stop: asyncio.Event) -> int:
    # The address is taken first: the report in `cluster.state` names the real port.
    listener = _listen(settings)
    metrics = NodeMetrics()
    pool = SearchPool(settings.node.search_threads, settings.node.search_queue)
    reconciler = Reconciler(settings, metrics, _url(listener))
    app = NodeServer(settings.node.id, reconciler, pool, metrics).app()
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=KEEP_ALIVE_S, shutdown_timeout=HTTP_STOP_S)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    log.info("node_listens", node=settings.node.id, url=_url(listener))
    try:
        await asyncio.to_thread(reconciler.start)
        await stop.wait()
        log.info("node_stops", node=settings.node.id)
    finally:
        await asyncio.to_thread(reconciler.stop)
        await runner.cleanup()
        pool.close()
    return os.EX_OK


def _listen(settings: Settings) -> socket.socket:
    node = settings.node
    try:
        return socket.create_server((node.host, node.port), backlog=1024)
    except OSError as error:
        raise NotReady(f"{node.host}:{node.port} cannot be listened on: {error.strerror}") from error


def _url(listener: socket.socket) -> str:
    """The address that others can use: a node that listens everywhere is known by its host's name."""
    host, port = listener.getsockname()[:2]
    return f"http://{socket.gethostname() if host == EVERYWHERE else host}:{port}"


if __name__ == "__main__":
    sys.exit(run_node(load_settings(os.environ)))
