"""Kafka without a broker: librdkafka's mock cluster in a process of its own, speaking the real protocol over TCP.

    python -m ops.embedded_broker --partitions 12 --topic vectors.g1

It keeps everything in memory, about 5 MiB per partition (64 of `catalog.changes`), and forgets it when it ends. It
answers no CreateTopics, so topics are made here: at the start, and later through `POST /topics` of its control address,
on loopback only.
The calls are those of rdkafka_mock.h (https://github.com/confluentinc/librdkafka).
"""

import argparse
import asyncio
import ctypes
import ctypes.util
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from ops.ring_size import widen
from schemas.errors import LogError, NotReady
from schemas.topics import CHANGES, base_topics

START_TIMEOUT_S, STOP_TIMEOUT_S = 20.0, 3.0
HOST = "127.0.0.1"
_RD_KAFKA_PRODUCER = 0


class Announcement(msgspec.Struct, frozen=True):
    """The one line on standard output when the broker is ready."""

    bootstrap_servers: str
    control: str


class NewTopicRequest(msgspec.Struct, frozen=True):
    """The body of `POST /topics`."""

    name: str
    partitions: int


class MockCluster:
    """A one-broker mock cluster inside this process."""

    def __init__(self) -> None:
        self._lib = _load_librdkafka()
        reason = ctypes.create_string_buffer(512)
        conf = self._lib.rd_kafka_conf_new()
        self._lib.rd_kafka_conf_set(conf, b"log_level", b"3", reason, len(reason))
        self._handle = self._lib.rd_kafka_new(_RD_KAFKA_PRODUCER, conf, reason, len(reason))
        if not self._handle:
            raise LogError(f"librdkafka does not start: {reason.value.decode(errors='replace')}")
        self._cluster = self._lib.rd_kafka_mock_cluster_new(self._handle, 1)
        if not self._cluster:
            raise LogError("librdkafka's mock cluster does not start")
        self._lib.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        self.topics: dict[str, int] = {}

    @property
    def bootstrap_servers(self) -> str:
        """host:port for clients."""
        return str(self._lib.rd_kafka_mock_cluster_bootstraps(self._cluster).decode())

    def create_topic(self, name: str, partitions: int) -> None:
        """Make a topic; one that is there with the same partition count stays as it is.

        Raises:
            LogError: it is there with another partition count, or librdkafka refuses it.
        """
        have = self.topics.get(name)
        if have is not None and have != partitions:
            raise LogError(f"topic {name} has {have} partitions, not {partitions}", code="partition_mismatch")
        if have is None:
            error = self._lib.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
            if error:
                raise LogError(f"topic {name} could not be created: librdkafka's error {error}", code="no_topic")
            self.topics[name] = partitions


class BrokerProcess:
    """A running embedded broker; it ends when the process that started it does, however that ends."""

    def __init__(self, process: subprocess.Popen[bytes], announcement: Announcement) -> None:
        self.process = process
        self.bootstrap_servers = announcement.bootstrap_servers
        self.control = announcement.control

    def create_topic(self, name: str, partitions: int) -> None:
        """Make a further topic.

        Raises:
            LogError: it is there with another partition count.
            NotReady: the broker's process does not answer.
        """
        request = urllib.request.Request(
            f"{self.control}/topics",
            msgspec.json.encode(NewTopicRequest(name, partitions)),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=START_TIMEOUT_S):
                pass
        except urllib.error.HTTPError as error:
            with error:
                raise LogError(f"the embedded broker refused topic {name}: {error.read().decode()}") from error
        except OSError as error:
            raise NotReady(f"the embedded broker does not answer: {error}") from error

    def stop(self) -> None:
        """End it, by force if need be."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def start_embedded_broker(partitions: int, topics: Iterable[str] = ()) -> BrokerProcess:
    """Start a broker with the base topics and these, all of `partitions` partitions; returns when it is ready.

    It runs in a session of its own, so that Ctrl-C in a terminal reaches only the process that stops things in order.

    Raises:
        NotReady: it did not become ready.
    """
    command = [sys.executable, "-m", "ops.embedded_broker", "--with-parent", "--partitions", str(partitions)]
    for name in topics:
        command += ["--topic", name]
    root = Path(__file__).parents[1]
    process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        return BrokerProcess(process, _read_announcement(process))
    except BaseException:
        process.kill()
        process.wait()
        raise


def main(arguments: list[str] | None = None) -> int:
    """The process itself: announce, then serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m ops.embedded_broker", description=__doc__.partition("\n")[0])
    parser.add_argument("--partitions", type=int, default=12, help="partitions of every topic keyed by item")
    parser.add_argument("--topic", action="append", default=[], help="a further topic with that many partitions")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    options = parser.parse_args(arguments)
    if options.partitions < 1:
        parser.error("--partitions must be at least 1")
    cluster = MockCluster()
    cluster.create_topic(CHANGES, options.partitions)
    if not widen(options.partitions):
        sys.stderr.write("the embedded broker keeps only 5 MiB of each partition: long bursts may outrun it\n")
    for spec in base_topics(options.partitions):
        cluster.create_topic(spec.name, spec.partitions)
    for name in options.topic:
        cluster.create_topic(name, options.partitions)
    asyncio.run(_serve(cluster, with_parent=options.with_parent))
    return 0


async def _serve(cluster: MockCluster, *, with_parent: bool) -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    runner = web.AppRunner(_control_app(cluster), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    announcement = Announcement(cluster.bootstrap_servers, f"http://{HOST}:{runner.addresses[0][1]}")
    print(msgspec.json.encode(announcement).decode(), flush=True)
    if with_parent:
        # The pipe's other end lives in the parent: the kernel closes it with the parent, whichever thread started us.
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        ended = asyncio.create_task(reader.read())
        ended.add_done_callback(lambda _: done.set())
    await done.wait()
    await runner.cleanup()


def _control_app(cluster: MockCluster) -> web.Application:
    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "topics": cluster.topics})

    async def create(request: web.Request) -> web.Response:
        try:
            wanted = msgspec.json.decode(await request.read(), type=NewTopicRequest)
            cluster.create_topic(wanted.name, wanted.partitions)
        except (msgspec.DecodeError, LogError) as error:
            return web.json_response(
                {"error": {"code": "bad_request", "message": str(error), "details": {}}}, status=400
            )
        return web.json_response({"name": wanted.name, "partitions": wanted.partitions})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.post("/topics", create)])
    return app


def _read_announcement(process: subprocess.Popen[bytes]) -> Announcement:
    assert process.stdout is not None
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        readable, _, _ = select.select([process.stdout], [], [], 0.2)
        if readable:
            line = process.stdout.readline()
            if not line:
                break
            return msgspec.json.decode(line, type=Announcement)
    raise NotReady(f"the embedded broker did not start (exit code {process.poll()})")


def _load_librdkafka() -> Any:
    """The librdkafka that confluent_kafka brings along, or the system's where it was built against that."""
    import confluent_kafka

    bundled = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    found = sorted(bundled.glob("librdkafka*.so*"))
    name = str(found[0]) if found else ctypes.util.find_library("rdkafka")
    if name is None:
        raise LogError("librdkafka is not there: confluent_kafka brings it along on Linux")
    lib = ctypes.CDLL(name)
    lib.rd_kafka_conf_new.restype = ctypes.c_void_p
    lib.rd_kafka_conf_new.argtypes = []
    lib.rd_kafka_conf_set.restype = ctypes.c_int
    lib.rd_kafka_conf_set.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
    ]
    lib.rd_kafka_new.restype = ctypes.c_void_p
    lib.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    lib.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    lib.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lib.rd_kafka_mock_topic_create.restype = ctypes.c_int
    lib.rd_kafka_mock_topic_create.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    lib.rd_kafka_mock_group_initial_rebalance_delay_ms.restype = None
    lib.rd_kafka_mock_group_initial_rebalance_delay_ms.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    lib.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    lib.rd_kafka_mock_cluster_bootstraps.argtypes = [ctypes.c_void_p]
    return lib


if __name__ == "__main__":
    sys.exit(main())
