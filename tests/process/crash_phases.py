"""The phases of a node's work in which it is killed, and how each is seen from outside.

A phase is seen in the node's status, in its files or in its log. `going_on` is looked at before a kill, at once;
`was_cut` after it, where a trace on the disk or in the log proves that the phase had not ended.
"""

import http.client
import re
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import msgspec

from schemas.node_status import NodeStatus, ShardStatus
from schemas.queries import ShardHits, ShardSearch, StoredItem
from tests.process.node_fixtures import NodeRig

# So many records or vectors must be left, for the phase to outlast the moment between the look and the kill.
LEFT_TO_APPLY, LEFT_TO_DRAIN = 200, 60


class Look(NamedTuple):
    """What a node said of itself at one moment, and how many records of the log it had applied before and by then."""

    shards: list[ShardStatus]
    applied_before: int
    applied: int

    def doing(self, name: str) -> list[ShardStatus]:
        return [shard for shard in self.shards if any(activity.name == name for activity in shard.doing)]


class RunningNode:
    """One life of a node process: quick looks over one kept connection, at its log and at its files.

    `restorable` is how many shards had a snapshot when it began.
    """

    def __init__(self, rig: NodeRig) -> None:
        """Start it."""
        self._rig = rig
        self._log_start = rig.output.stat().st_size if rig.output.exists() else 0
        self._started_s = time.time()
        self._connection: http.client.HTTPConnection | None = None
        self._applied = 0
        finished = rig.folder.glob("nodes/n1/g1/*/snapshots/[0-9]*")
        self.restorable = len({folder.parent for folder in finished})
        rig.start()

    def log(self) -> str:
        """What it has logged in this life."""
        with self._rig.output.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def wait_listening(self) -> None:
        """Until it can be asked; its address is in its log."""
        listens = self._rig.eventually(lambda: re.search(r"node_listens.*url=(http://\S+)", self.log()), bool)
        self._rig.fixed_url = listens[1]

    def kill(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._rig.kill()

    # --- asking

    def ask(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        if self._connection is None:
            assert self._rig.fixed_url is not None
            self._connection = http.client.HTTPConnection(urlsplit(self._rig.fixed_url).netloc, timeout=30)
        self._connection.request("GET" if body is None else "POST", path, body)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def look(self) -> Look:
        status = msgspec.json.decode(self.ask("/v1/status")[1], type=NodeStatus)
        applied = sum(sum(of.values()) for shard in status.shards for of in shard.applied.values())
        before, self._applied = self._applied, applied
        return Look(status.shards, before, applied)

    def item(self, shard: int, item_id: str) -> StoredItem | None:
        status, body = self.ask(f"/v1/shards/g1/{shard}/items/{quote(item_id, safe='')}")
        assert status in (200, 404), body
        return msgspec.msgpack.decode(body, type=StoredItem) if status == 200 else None

    def search(self, shard: int, search: ShardSearch) -> list[tuple[str, float, bytes | None]]:
        status, body = self.ask(f"/v1/shards/g1/{shard}/search", msgspec.msgpack.encode(search))
        assert status == 200, body
        return [(i, s, bytes(a) if a else None) for i, s, a in msgspec.msgpack.decode(body, type=ShardHits).hits]

    # --- the phases

    def going_on(self, phase: str, written: int) -> bool:
        """Whether the phase goes on just now; `written` is how many records the log has."""
        match phase:
            case "restore":
                return self._unfinished("shard_opens", "shard_opened")
            case "snapshot":
                return bool(self._written_aside())
            case "apply":
                look = self.look()
                return look.applied_before < look.applied < written - LEFT_TO_APPLY and not look.doing("snapshotting")
            case "drain":
                return any(shard.buffer_vectors > LEFT_TO_DRAIN for shard in self.look().doing("draining"))
            case "compaction":
                return any(shard.state == "compacting" for shard in self.look().doing("compacting"))
        raise AssertionError(phase)

    def was_cut(self, phase: str) -> bool:
        """Whether the killed node left the phase unfinished, where that leaves a trace."""
        match phase:
            case "restore":
                return self._unfinished("shard_opens", "shard_opened")
            case "snapshot":
                return bool(self._written_aside())
            case "compaction":
                return self._unfinished("compaction_began", "compaction_ended")
        return True

    def _unfinished(self, began: str, ended: str) -> bool:
        log = self.log()
        return len(re.findall(rf"\b{began}\b", log)) > len(re.findall(rf"\b{ended}\b", log))

    def _written_aside(self) -> list[Path]:
        """Folders of snapshots that this life has begun and not ended."""
        found = []
        for folder in self._rig.folder.glob("nodes/n1/g1/*/snapshots/writing-*"):
            try:
                if folder.stat().st_mtime > self._started_s:
                    found.append(folder)
            except FileNotFoundError:
                continue
        return found
