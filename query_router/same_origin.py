"""Who may ask through a user's browser: pages of this router only.

The router listens on loopback, but a browser on the same machine carries requests of any page there. Two gates keep
them out (Fetch standard, section 3.2; OWASP, cross-site request forgery): the name a request is addressed to must be
this machine's, so that a foreign name that resolves to it (DNS rebinding) gains nothing; and a request that changes or
costs something must not come from a page of another origin.
"""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from schemas.errors import Forbidden

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
# What browsers say of a request that a page of another origin did not make.
OWN_SITES = {"same-origin", "none"}


def same_origin_only(hosts: Collection[str]) -> Middleware:
    """The middleware; `hosts` are names, besides loopback ones, that requests may be addressed to."""
    allowed = {host.strip().lower() for host in hosts}

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get("Host", "")
        check_host(host, allowed)
        if request.method not in SAFE_METHODS:
            check_origin(host, request.headers.getall("Origin", []), request.headers.get("Sec-Fetch-Site"))
        return await handler(request)

    return gate


def check_host(host: str, allowed: Collection[str]) -> None:
    """Pass a `Host` header that names this machine.

    Raises:
        Forbidden: `bad_host`.
    """
    name = _host_name(host)
    if name is None or not (_is_loopback(name) or name in allowed):
        raise Forbidden(
            f"requests to the name {host[:100]!r} are not answered: use 127.0.0.1 or localhost, or add the name to "
            "LOOKALIVE_ROUTER__HOSTS",
            code="bad_host",
        )


def check_origin(host: str, origins: list[str], fetch_site: str | None) -> None:
    """Pass what no browser sent, or what a page of this very host and port did.

    Raises:
        Forbidden: `bad_origin`.
    """
    own = all(_authority(origin) == host.strip().lower() for origin in origins)
    if not own or (not origins and fetch_site is not None and fetch_site.lower() not in OWN_SITES):
        where = f"a page of {origins[0][:100]!r}" if origins else "a page of another site"
        raise Forbidden(f"{where} may not write or search through this browser", code="bad_origin")


def _authority(origin: str) -> str | None:
    """`host:port` of an `Origin`, as a `Host` header has it; None for `null` and what is none."""
    try:
        parts = urlsplit(origin.strip().lower())
    except ValueError:
        return None
    return parts.netloc if parts.scheme in {"http", "https"} else None


def _host_name(host: str) -> str | None:
    """The name or address in a `Host` header, without port and brackets."""
    try:
        parts = urlsplit(f"//{host.strip()}")
        _ = parts.port
    except ValueError:
        return None
    is_plain = parts.netloc == host.strip() and "@" not in parts.netloc
    return parts.hostname if is_plain else None


def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
