"""The order of the tests, and what tests of every kind share."""

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# Files that use something which is started once for all of them: one process runs them all, so that it is.
SHARING = {
    "kafka": {"test_partition_owners", "test_topics_made_anew"},
    "system": {
        "test_bad_input",
        "test_catalog_commands",
        "test_evaluate_generation",
        "test_item_image",
        "test_item_status",
        "test_loading_and_replaying",
        "test_outside_producer",
        "test_paced_load",
        "test_watch_freshness",
        "test_write_and_wait",
        "test_write_list",
        "test_write_outcomes",
    },
}
# What takes longest comes first, so that none of it is what all processes wait for at the end.
LONGEST = (
    "test_killed_on_kafka",
    "browser",
    "system",
    "test_real_photographs",
    "test_node_sigkill",
    "test_killed_roles",
    "test_retried_pictures",
    "test_pictures_from_the_web",
    "test_up_on_local_kafka",
    "kafka",
    "test_broker_away",
    "test_node_full_disk",
    "test_up_lifecycle",
    "test_older_record_behind_newer",
    "test_stream_killed",
)


def pytest_configure() -> None:
    """Properties are judged by what they find, never by how long the machine takes for it."""
    settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first; otherwise as found."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(_together(item.path), len(ranks)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Several processes share whole files (`--dist loadfile`), or several that belong together."""
    return Together(config, log) if config.getoption("dist") == "loadfile" else None


class Together(LoadFileScheduling):
    """Hands out what belongs together at once."""

    def _split_scope(self, nodeid: str) -> str:
        return _together(Path(super()._split_scope(nodeid)))


def _together(path: Path) -> str:
    """What the tests of this file are handed out with: all of its kind, or the file alone."""
    if "browser" in path.parts:
        return "browser"
    return next((name for name, files in SHARING.items() if path.stem in files), path.stem)


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
