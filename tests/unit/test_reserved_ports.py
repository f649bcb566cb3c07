"""A reserved port is for whoever asks for it by its number, and for nobody else."""

import shutil
import socket
import subprocess
import sys

import pytest

from ops.ports import port_of, reserve_port
from schemas.errors import SettingsError

HOST, FEW = "127.0.0.1", 40
# In a network of its own that has only so few ports to give away, one process takes every one.
TAKE_ALL = f"""
import socket
from pathlib import Path
from ops.ports import port_of, reserve_port

Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 {40000 + FEW - 1}")
reserved = reserve_port("{HOST}")
taken = []
try:
    while True:
        taken.append(socket.socket())
        taken[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken[-1].bind(("{HOST}", 0))
except OSError:
    taken.pop()
print(len(taken), port_of(reserved) in [port_of(one) for one in taken])
"""


def test_a_connection_is_refused_until_somebody_listens_on_it_and_again_afterwards() -> None:
    with reserve_port(HOST) as reserved:
        port = port_of(reserved)
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((HOST, port), timeout=10)
            with socket.create_server((HOST, port)), socket.create_connection((HOST, port), timeout=10):
                pass


def test_one_on_which_somebody_listens_is_refused() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = port_of(taken)
        with pytest.raises(SettingsError, match=rf"port {port} on {HOST} cannot be used: .*--port"):
            reserve_port(HOST, port)


def test_nobody_gets_it_who_asks_for_any() -> None:
    if shutil.which("unshare") is None:
        pytest.skip("there is no `unshare` here: no network of its own can be made")
    command = ["unshare", "--map-root-user", "--net", sys.executable, "-W", "ignore", "-c", TAKE_ALL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0 and "unshare" in done.stderr:
        pytest.skip(f"no network of its own can be made here: {done.stderr.strip()}")
    assert done.stdout.split() == [str(FEW - 1), "False"], done.stderr
