"""Whoever writes to a full disk waits until it takes more, says so meanwhile, and passes every other error on."""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from schemas.item_state import Stamp
from streams.disk_hold import DiskHold
from streams.embed_memo import EmbedMemo
from tests.conftest import SmallDisk

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
STALLED = Exception("Result incomplete: Write stall")


class Disk:
    """Refuses with these errors, one by one, and then takes everything."""

    def __init__(self, *refusals: Exception) -> None:
        self.refusals = list(refusals)
        self.hold = DiskHold(again_s=0.001)
        self.said: list[str | None] = []

    def write(self) -> str:
        self.said.append(self.hold.reason)
        if self.refusals:
            raise self.refusals.pop(0)
        return "written"

    async def write_later(self) -> str:
        return self.write()


async def test_it_waits_and_says_why(tmp_path: Path) -> None:
    disk = Disk(FULL, STALLED, FULL)
    with structlog.testing.capture_logs() as lines:
        assert await disk.hold.written("item states", tmp_path, disk.write_later) == "written"
    assert disk.said[0] is None
    assert all(f"item states cannot be written to {tmp_path}: No space left" in str(said) for said in disk.said[1:])
    assert len(disk.said) == 4
    assert disk.hold.reason is None
    assert [line["event"] for line in lines] == ["disk_holds_up", "disk_takes_more"]


async def test_a_database_that_holds_writes_back_is_no_full_disk(tmp_path: Path) -> None:
    disk = Disk(STALLED, STALLED)
    assert await asyncio.to_thread(disk.hold.written_in_thread, "pictures", tmp_path, disk.write) == "written"
    assert disk.said == [None] * 3


async def test_other_errors_are_passed_on(tmp_path: Path) -> None:
    for error in (ValueError("no"), Exception("Corruption: block checksum mismatch")):
        with pytest.raises(type(error), match=str(error)):
            await Disk(error).hold.written("x", tmp_path, Disk(error).write_later)
        with pytest.raises(type(error), match=str(error)):
            Disk(error).hold.written_in_thread("x", tmp_path, Disk(error).write)


async def test_a_database_that_never_mends_itself_is_given_up(tmp_path: Path) -> None:
    disk = Disk(*[FULL] * 1000)
    disk.hold = DiskHold(again_s=0.001, mends_s=0.05)
    with pytest.raises(OSError, match="No space left on device"):
        await disk.hold.written("item states", tmp_path, disk.write_later)
    assert 0 < len(disk.refusals) < 1000


async def test_notes_survive_a_full_disk(small_disk: Callable[[int], SmallDisk]) -> None:
    disk, hold = small_disk(24 << 20), DiskHold(again_s=0.05)
    memo = EmbedMemo(disk.folder / "notes")
    names = [f"item-{n}-{'x' * 400}" for n in range(400)]

    async def put(names: list[str]) -> None:
        for name in names:
            stamp = Stamp(len(name), 1, 1, 1)
            await hold.written("notes", memo.folder, lambda n=name, s=stamp: asyncio.to_thread(memo.put, {n: s}))

    await put(names[:100])
    disk.fill()
    rest = asyncio.create_task(put(names[100:]))
    async with asyncio.timeout(30):
        while hold.reason is None:  # noqa: ASYNC110  it is a thread that finds out
            await asyncio.sleep(0.01)
    assert "No space left on device" in hold.reason
    assert not rest.done()
    assert all(memo.get(name) is not None for name in names[:100])
    disk.empty()
    await rest
    assert hold.reason is None
    memo.close()
    again = EmbedMemo(disk.folder / "notes")
    assert all(again.get(name) == Stamp(len(name), 1, 1, 1) for name in names)
    again.close()
