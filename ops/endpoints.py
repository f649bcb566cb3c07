"""`endpoints.json`: where the system that `up` runs on this machine can be reached."""

import os
from pathlib import Path

import msgspec

from schemas.errors import NotReady
from schemas.settings import KafkaSettings, RouterSettings, Settings

ANY_PORT = 0


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses and process ids, by role; `embedded` and `partitions` let commands configure their Kafka clients."""

    kafka: str
    router: str
    nodes: dict[str, str]
    pids: dict[str, int]
    embedded: bool = False
    partitions: int = 12


def endpoints_path(data_path: Path) -> Path:
    """Where `up` writes its endpoints."""
    return data_path / "endpoints.json"


def write_endpoints(data_path: Path, endpoints: Endpoints) -> None:
    """Replace the file in one step, so that a reader sees the old or the new one."""
    path = endpoints_path(data_path)
    aside = path.with_suffix(".tmp")
    aside.write_bytes(msgspec.json.format(msgspec.json.encode(endpoints), indent=2) + b"\n")
    aside.replace(path)


def read_endpoints(data_path: Path) -> Endpoints | None:
    """The endpoints of the system that runs with this data folder; None when none does."""
    try:
        endpoints = msgspec.json.decode(endpoints_path(data_path).read_bytes(), type=Endpoints)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return endpoints if any(_alive(pid) for pid in endpoints.pids.values()) else None


def running_where(data_path: Path) -> str:
    """Where the system of this data folder answers and which process started it, in brackets; empty when unknown."""
    running = read_endpoints(data_path)
    try:
        pid = (data_path / "lock").read_text().strip()
    except (OSError, UnicodeDecodeError):
        pid = ""
    known = [*([] if running is None else [running.router]), *([f"process {pid}"] if pid.isdecimal() else [])]
    return f" ({', '.join(known)})" if known else ""


def kafka_of(settings: Settings) -> KafkaSettings:
    """The Kafka that a command talks to: the one set, else that of the running system.

    Raises:
        NotReady: neither is there.
    """
    if settings.kafka.is_named:
        return settings.kafka
    running = read_endpoints(settings.data_path)
    if running is None:
        raise NotReady(f"{_nothing_runs(settings)}, or set LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS")
    return msgspec.structs.replace(
        settings.kafka, bootstrap_servers=running.kafka, embedded=running.embedded, partitions=running.partitions
    )


def router_of(settings: Settings) -> str:
    """The router's address: the one whose port is set, else that of the running system.

    Raises:
        NotReady: neither is there; the default address may be somebody else's.
    """
    running = read_endpoints(settings.data_path)
    if running is not None and settings.router.port in (RouterSettings().port, ANY_PORT):
        return running.router
    if settings.router == RouterSettings():
        raise NotReady(f"{_nothing_runs(settings)}, or set LOOKALIVE_ROUTER__PORT")
    return f"http://{settings.router.host}:{settings.router.port}"


def command_line(settings: Settings, words: str) -> str:
    """A `lookalive` command that reaches this very system when it is pasted into another terminal of this folder."""
    here = settings.data_path == Path(Settings().data_dir).absolute()
    return f"{'' if here else f'LOOKALIVE_DATA_DIR={settings.data_path} '}.venv/bin/lookalive {words}"


def _nothing_runs(settings: Settings) -> str:
    return (
        f"nothing runs with the data folder {settings.data_path}: start `lookalive up` or `lookalive demo` first, run "
        "this in the folder of the one that runs, set LOOKALIVE_DATA_DIR to its data folder"
    )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
