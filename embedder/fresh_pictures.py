"""Pictures that came a moment ago, in memory: whoever embeds them in the same process need not read them back."""

import threading
from collections import OrderedDict
from collections.abc import Mapping


class FreshPictures:
    """At most so many bytes; what came first goes first. Each is taken once. For any number of threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._size_bytes = 0
        self._lock = threading.Lock()

    def keep(self, pictures: Mapping[str, bytes]) -> None:
        """Keep these, by name, as far as there is room."""
        with self._lock:
            for name, data in pictures.items():
                self._drop(name)
                self._pictures[name] = data
                self._size_bytes += len(data)
            while self._size_bytes > self._max_bytes:
                self._drop(next(iter(self._pictures)))

    def take(self, name: str) -> bytes | None:
        """The picture, which is not kept any longer."""
        with self._lock:
            return self._drop(name)

    def _drop(self, name: str) -> bytes | None:
        data = self._pictures.pop(name, None)
        self._size_bytes -= len(data or b"")
        return data
