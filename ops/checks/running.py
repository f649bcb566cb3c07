"""The system that runs with this data folder, and whether another one could start."""

import email.utils
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from ops.checks.finding import Finding, ok, problem, warning
from ops.endpoints import Endpoints
from ops.node_status import ask_node
from schemas.settings import Settings

ANSWER_S = 5.0
SKEW_S = 5.0
_LISTENING = "0A"


def check_running(settings: Settings, endpoints: Endpoints | None) -> Iterator[Finding]:
    """Whether every role of a running system is well; else whether the port it would take is free."""
    if endpoints is None:
        yield ok("system", f"none runs with the data folder {settings.data_path}")
        yield check_port(settings.router.host, settings.router.port)
        return
    dead = sorted(role for role, pid in endpoints.pids.items() if not Path(f"/proc/{pid}").exists())
    if dead:
        logs = settings.data_path / "logs"
        yield problem("system", f"{', '.join(dead)} ended", f"`lookalive up` starts what ends again; see {logs}")
    else:
        yield ok("system", f"{len(endpoints.pids)} processes run with the data folder {settings.data_path}")
    yield from check_router(endpoints.router)
    for name, url in endpoints.nodes.items():
        yield check_node(name, url)


def check_port(host: str, port: int) -> Finding:
    """Whether the router's port is free, or whose it is."""
    if port == 0:
        return ok("port", "any free one")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            owner = port_owner(port)
            said = f"{port} on {host} cannot be used: {error.strerror}{f', {owner} has it' if owner else ''}"
            return problem("port", said, "stop that program, or set LOOKALIVE_ROUTER__PORT (0: any free one)")
    return ok("port", f"{port} on {host} is free")


def port_owner(port: int) -> str | None:
    """The process that listens on a TCP port, where this user may know: its name and id."""
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listeners(table, port)}
    for folder in Path("/proc").glob("[0-9]*") if inodes else ():
        try:
            if any(str(link.readlink()) in inodes for link in (folder / "fd").iterdir()):
                return f"{(folder / 'comm').read_text().strip()} (process {folder.name})"
        except OSError:
            continue
    return None


def check_router(url: str) -> Iterator[Finding]:
    """Whether the router is ready, and its clock ours."""
    try:
        with urlopen(f"{url}/readyz", timeout=ANSWER_S) as answer:
            date = answer.headers.get("Date")
    except HTTPError as error:
        with error:
            said = error.read().decode(errors="replace")[:300]
        yield problem("router", f"{url} is not ready: {said}", "wait a little; then see its log")
        return
    except (URLError, OSError) as error:
        yield problem("router", f"{url} does not answer: {error}", "see its log in the data folder")
        return
    yield ok("router", f"{url} is ready")
    skew_s = 0.0 if date is None else email.utils.parsedate_to_datetime(date).timestamp() - time.time()
    if abs(skew_s) > SKEW_S:
        yield warning("router clock", f"{skew_s:+.0f} s from this machine's", "set both by NTP")


def check_node(name: str, url: str) -> Finding:
    """Whether a node answers and every shard it has serves."""
    status = ask_node(url)
    if status is None:
        return problem(f"node {name}", f"{url} does not answer", "see its log in the data folder")
    wrong = [
        f"shard {s.shard} {s.state}{f': {s.error}' if s.error else ''}" for s in status.shards if s.state != "serving"
    ]
    if wrong:
        return warning(f"node {name}", "; ".join(wrong), "`lookalive shards status` shows how far they are")
    return ok(f"node {name}", f"{url}, {len(status.shards)} shards serve")


def _listeners(table: str, port: int) -> list[str]:
    """Inodes of the sockets that listen on a port (proc(5), /proc/net/tcp)."""
    try:
        rows = [line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    except OSError:
        return []
    return [row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port]
