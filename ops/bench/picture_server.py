"""A small web server of pictures, for benchmarks and tests: one that is well, hangs, or answers 500 until it heals."""

import threading
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Health = Literal["well", "hanging", "failing"]
Pictures = Callable[[str], bytes | None]
"""A path, as in `/1.jpg`, to the encoded picture there."""

IDLE_S = 30.0


class PictureServer:
    """Serves pictures with entity tags on a port of its own of 127.0.0.1, and counts what it answers by status.

    A failing one heals by itself after `failures` answers, or never.
    """

    def __init__(self, pictures: Pictures, health: Health = "well", failures: int | None = None) -> None:
        self.answers: Counter[int] = Counter()
        self.sent_bytes = 0
        self._pictures = pictures
        self._health = health
        self._failures_left = failures
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """http://host:port"""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def release(self) -> None:
        """Whoever was left hanging is answered now, and whoever comes later at once."""
        self._released.set()

    def heal(self) -> None:
        """Whoever asks from now on gets pictures."""
        self._health = "well"
        self.release()

    def close(self) -> None:
        """Stop listening; hanging answers end."""
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, known_tag: str | None) -> tuple[int, str, bytes]:
        """Status, entity tag and body."""
        if self._health == "hanging":
            self._released.wait()
        status, tag, body = 500, "", b""
        if not self._fails():
            data = self._pictures(path)
            tag = "" if data is None else f'"{blake2b(data, digest_size=8).hexdigest()}"'
            status = 404 if data is None else 304 if tag == known_tag else 200
            body = data if data is not None and status == 200 else b""
        with self._lock:
            self.answers[status] += 1
            self.sent_bytes += len(body)
        return status, tag, body

    def _fails(self) -> bool:
        with self._lock:
            if self._health != "failing" or self._failures_left == 0:
                return False
            if self._failures_left is not None:
                self._failures_left -= 1
            return True


def _handler_of(server: PictureServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = IDLE_S

        def do_GET(self) -> None:
            status, tag, body = server.answer(self.path, self.headers.get("If-None-Match"))
            try:
                self.send_response(status)
                if tag:
                    self.send_header("ETag", tag)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # who asked is gone

        def log_message(self, *_: object) -> None:
            """Nothing: the counters say it."""

    return Handler
