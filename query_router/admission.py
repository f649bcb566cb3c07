"""Admission: how many queries are answered at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Gauge

from schemas.errors import Busy


class Admission:
    """A count of the queries in flight, with a limit; nothing waits here, as a late answer is no answer."""

    def __init__(self, limit: int, in_flight: Gauge) -> None:
        self._limit = limit
        self._count = 0
        self._in_flight = in_flight

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place while a query is answered; raises Busy when all are taken."""
        if self._count >= self._limit:
            raise Busy(f"{self._limit} queries are being answered already", max_queries=self._limit)
        self._count += 1
        self._in_flight.inc()
        try:
            yield
        finally:
            self._count -= 1
            self._in_flight.dec()
