"""A seeded stream of changes with what real producers do wrong, and the dict that says what must be left of it."""

import random
from typing import Any, NamedTuple

from tests.process.pictures import data_url, picture

DUPLICATES, DISORDER, POISON = 0.05, 0.05, 0.01
HELD_BACK = 40
Oracle = dict[str, tuple[int, dict[str, Any]]]


class Record(NamedTuple):
    """What a producer sends; `poison` when it must be refused."""

    key: bytes
    value: bytes | dict[str, Any]
    poison: bool = False


class CrashLoad:
    """Changes of `items` items: upserts with one to three pictures, patches, deletes.

    One in twenty is sent twice, one in twenty up to 40 changes too late, one in a hundred cannot be understood.
    Versions are explicit, so that the outcome is that of the versions' order, whatever order things are sent in.
    """

    def __init__(self, seed: int, items: int) -> None:
        self._chance = random.Random(seed)
        self._version = 0
        self._changes: list[dict[str, Any]] = []
        self._late: list[tuple[int, dict[str, Any]]] = []
        self._sent = 0
        self.names = [f"item-{n}" for n in range(items)]

    def next(self) -> Record:
        """The next record."""
        self._sent += 1
        roll = self._chance.random()
        if self._late and self._late[0][0] <= self._sent:
            return _record(self._late.pop(0)[1])
        if roll < POISON:
            return self._poison()
        if self._changes and roll < POISON + DUPLICATES:
            return _record(self._chance.choice(self._changes))
        change = self._change()
        self._changes.append(change)
        if roll < POISON + DUPLICATES + DISORDER:
            self._late.append((self._sent + self._chance.randrange(1, HELD_BACK), change))
            self._late.sort(key=lambda late: late[0])
            return self.next()
        return _record(change)

    def rest(self) -> list[Record]:
        """What is still held back, at the end."""
        late, self._late = self._late, []
        return [_record(change) for _, change in late]

    def oracle(self) -> tuple[Oracle, dict[str, list[str]]]:
        """What must be found, item -> version and attributes, and each of these items' pictures as data: URLs."""
        live: Oracle = {}
        pictures: dict[str, list[str]] = {}
        for change in self._changes:
            item, version = change["item_id"], change["version"]
            match change["op"]:
                case "upsert":
                    live[item] = (version, dict(change["attributes"]))
                    pictures[item] = change["image_urls"]
                case "patch" if item in live:
                    live[item] = (version, live[item][1] | change["attributes"])
                case "delete":
                    live.pop(item, None)
        return live, {item: pictures[item] for item in live}

    def _change(self) -> dict[str, Any]:
        self._version += 1
        change: dict[str, Any] = {"item_id": self._chance.choice(self.names), "version": self._version}
        roll = self._chance.random()
        if roll < 0.12:
            return change | {"op": "delete"}
        if roll < 0.5:
            return change | {"op": "patch", "attributes": {"price": self._version, f"k{self._version % 3}": None}}
        count = self._chance.choice((1, 1, 2, 3))
        urls = [data_url(picture(f"{self._version}-{n}", (32, 32))) for n in range(count)]
        return change | {"op": "upsert", "image_urls": urls, "attributes": {"made": self._version}}

    def _poison(self) -> Record:
        name = self._chance.choice(self.names)
        value: bytes | dict[str, Any] = self._chance.choice(
            [
                b'{"op": "upsert", ',
                b"\xff\xfe",
                {"op": "explode", "item_id": name},
                {"op": "upsert", "item_id": "x" * 600, "attributes": {}},
                {"op": "patch", "item_id": name, "attributes": ["no", "mapping"]},
            ]
        )
        return Record(name.encode(), value, poison=True)


def _record(change: dict[str, Any]) -> Record:
    return Record(change["item_id"].encode(), change)
