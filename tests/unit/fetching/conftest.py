"""Web servers of a few lines: each answers with the bytes it is given, as raw as a hostile one would."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


class Server(NamedTuple):
    """Where it listens; every request's path and header lines, in their order."""

    url: str
    requests: list[tuple[str, str]]


Serve = Callable[..., Awaitable[Server]]


def encoded(seed: int, form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(out, form)
    return out.getvalue()


def answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """A whole HTTP answer; a header of None is left out."""
    given = {"Content-Length": str(len(body)), "Connection": "close"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1") + body


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts servers that give the same answer to everything, or `choose` one by path and headers."""
    servers: list[asyncio.Server] = []
    talks: set[asyncio.Task[None]] = set()

    async def start(what: Answer | None = None, choose: Callable[[str, str], Answer] | None = None) -> Server:
        requests: list[tuple[str, str]] = []

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            talks.add(task)
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                path = head.split(" ", 2)[1]
                requests.append((path, head))
                said = choose(path, head) if choose is not None else what
                assert said is not None
                if isinstance(said, bytes):
                    writer.write(said)
                    await writer.drain()
                else:
                    await said(writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                talks.discard(task)
                writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        servers.append(server)
        return Server(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", requests)

    yield start
    for server in servers:
        server.close()
    for task in list(talks):
        task.cancel()
    await asyncio.gather(*talks, return_exceptions=True)
