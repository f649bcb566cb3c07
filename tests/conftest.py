"""The order of the tests, and what tests of every kind share."""

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those in a browser come last: Playwright leaves a running event loop in the thread until the session ends."""
    items.sort(key=lambda item: "browser" in item.path.parts)


class SmallDisk:
    """A file system of a few MiB in memory, filled and emptied by a file of its own."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.folder = folder
        folder.mkdir()
        if shutil.which("mount") is None:
            pytest.skip("there is no `mount` here: no disk can be filled")
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            pytest.skip(f"no disk can be mounted and filled here: {mounted.stderr.strip()}")
        self._filling = folder / "filling"

    def fill(self, leave_bytes: int = 0) -> None:
        """Take all that is free, but for so many bytes."""
        with self._filling.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while (free := shutil.disk_usage(self.folder).free - leave_bytes) > 0:
                file.write(bytes(min(free, 1 << 20)))

    def empty(self) -> None:
        """Give it all back."""
        self._filling.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], SmallDisk]]:
    """Mounts a disk of so many bytes; where that is not allowed the test is skipped, and says why."""
    disks: list[SmallDisk] = []

    def mount(size_bytes: int) -> SmallDisk:
        disks.append(SmallDisk(tmp_path / f"disk-{len(disks)}", size_bytes))
        return disks[-1]

    yield mount
    for disk in disks:
        disk.close()
