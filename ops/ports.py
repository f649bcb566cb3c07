"""Ports that stay one's own from the moment they are chosen until a child process listens on them, and beyond."""

import socket

from schemas.errors import SettingsError


def reserve_port(host: str, port: int = 0) -> socket.socket:
    """A socket bound to this port (0: any free one), which never listens.

    While it is open, Linux gives the port to nobody who asks for any: not to a `bind` to port 0, not to a connection
    that goes out. Whoever asks for this very port with SO_REUSEADDR, as asyncio, Java and `socket.create_server` do,
    gets it and may listen; until then, a connection to it is refused as on any free port.

    Raises:
        SettingsError: somebody listens there already, or the host is none of this machine's.
    """
    reserved = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind((host, port))
    except OSError as error:
        reserved.close()
        raise SettingsError(
            f"port {port} on {host} cannot be used: {error.strerror}; choose another with --port "
            "(`make demo PORT=8081`), or 0 for any"
        ) from error
    return reserved


def port_of(reserved: socket.socket) -> int:
    """Its number."""
    return int(reserved.getsockname()[1])
