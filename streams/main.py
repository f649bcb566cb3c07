"""The stream worker's process: runs its agents until told to end."""

import asyncio
import gc
import os
import signal
import sys
import threading

import structlog

from schemas.log_damping import damp_libraries
from schemas.settings import Settings, load_settings
from streams.endings import EXIT_OK, exit_code_of, leave, say_error
from streams.status_server import StatusServer
from streams.worker import StreamWorker

STOP_S = 9.0
COLLECT_AFTER = 20_000
# Each of their clients says at every attempt that it cannot reach the broker.
TALKATIVE = ("aiokafka", "faust", "mode")

log = structlog.get_logger()


def run_stream(settings: Settings) -> int:
    """Run one stream worker until SIGTERM or SIGINT; the exit status.

    0 after a stop, 65 when the broker dropped changes before they were read, 78 when settings or topics are wrong; any
    other may be mended by starting again. The process ends inside, as threads that wait for a broker that is gone
    would hold it for ever.
    """
    import uvloop

    damp_libraries(TALKATIVE)
    # A policy, not only this loop: Faust's consumers run in loops of their own threads.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    return asyncio.run(_run(settings))


async def _run(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    worker = StreamWorker(settings)
    announcement = settings.data_path / "run" / f"stream-{settings.stream.id}.json"
    server = StatusServer(worker.metrics, worker.reasons, worker.notes, announcement)
    url = await server.start(settings.stream.metrics_port)
    log.info("stream_worker_starts", id=settings.stream.id, url=url)
    serving = asyncio.create_task(_serve(worker))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    code = EXIT_OK
    if serving.done() and (error := serving.exception()) is not None:
        say_error(error)
        code = exit_code_of(error)
    _leave_after(STOP_S, code)
    serving.cancel()
    await worker.stop()
    await server.stop()
    log.info("stream_worker_stopped", id=settings.stream.id, code=code)
    leave(code)


async def _serve(worker: StreamWorker) -> None:
    await worker.start()
    spare_collector()
    await worker.watch()


def spare_collector() -> None:
    """Keep the garbage collector from looking through all that is there for good whenever some records have come.

    What records leave behind is freed by reference counts; cycles are few.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def _leave_after(seconds: float, code: int) -> None:
    """End hard when stopping in order takes too long: whatever was not acknowledged is read again."""
    timer = threading.Timer(seconds, leave, (code,))
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(run_stream(load_settings(os.environ)))
