"""The guard of outgoing requests: which URLs and addresses pictures may be fetched from.

Whoever names a picture makes this machine connect to a host of their choosing (server-side request forgery). So only
public addresses are connected to, whatever name or spelling led to them, save what the settings allow by name.
"""

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple, NoReturn

from yarl import URL

from schemas.errors import ImageRejected, SettingsError
from schemas.settings import ImageSettings

MAX_URL_CHARS = 4096
DEFAULT_PORTS = {"http": 80, "https": 443}
PUBLIC_PORTS = frozenset({80, 443, 8080, 8443})
ALLOW_HINT = "set LOOKALIVE_IMAGES__ALLOW_HOSTS or LOOKALIVE_IMAGES__ALLOW_NETWORKS to allow it"

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FORBIDDEN_TEXT = re.compile(r"[\x00-\x20\x7f\\]")
_HOST = re.compile(
    r"(?=.{1,253}\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?"
)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

_SPECIAL = {
    "unspecified": ["0.0.0.0/8", "::/128"],
    "loopback": ["127.0.0.0/8", "::1/128"],
    "private": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"],
    "link-local": ["169.254.0.0/16", "fe80::/10"],
    "carrier-grade NAT": ["100.64.0.0/10"],
    "multicast": ["224.0.0.0/4", "ff00::/8"],
    "an IPv4 address inside IPv6": [
        "::ffff:0:0/96",
        "::/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
    ],
    "reserved": [
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
    ],
}
"""IANA's special-purpose registries of IPv4 and IPv6 (RFC 6890 and its updates), in the words of the refusal."""

_KINDS: list[tuple[Network, str]] = [(ip_network(text), kind) for kind, texts in _SPECIAL.items() for text in texts]
_UNICAST = IPv6Network("2000::/3")
_ISATAP = (0x00005EFE, 0x02005EFE)
"""The upper half of an interface identifier that carries an IPv4 address (RFC 5214)."""


class Target(NamedTuple):
    """A URL that may be asked, once its host's addresses are checked too."""

    url: URL
    host: str
    port: int

    @property
    def origin(self) -> str:
        """Whom it is asked of: host:port."""
        return f"{self.host}:{self.port}"


class AddressGuard:
    """Passes URLs by their text, and hosts by the addresses they have at the moment of connecting."""

    def __init__(self, images: ImageSettings) -> None:
        """Raises SettingsError for a network that is none."""
        self._hosts = frozenset(host.lower().rstrip(".") for host in images.allow_hosts)
        try:
            self._networks: list[Network] = [ip_network(text) for text in images.allow_networks]
        except ValueError as error:
            raise SettingsError(
                f"LOOKALIVE_IMAGES__ALLOW_NETWORKS takes networks like 10.1.0.0/16: {error}",
                name="LOOKALIVE_IMAGES__ALLOW_NETWORKS",
            ) from error

    def check_url(self, text: str) -> Target:
        """The target of an `http:` or `https:` URL.

        Raises:
            ImageRejected: `image_refused` for another scheme, a user name or password, a host that is no plain name
                or address (decimal, octal, hexadecimal and shortened ones), an address or a port that is not public.
        """
        if len(text) > MAX_URL_CHARS:
            _refuse(text, f"has {len(text)} characters; {MAX_URL_CHARS} are taken")
        if _FORBIDDEN_TEXT.search(text):
            _refuse(text, "holds spaces, control characters or backslashes; write them as %20 and the like")
        scheme, _, rest = text.partition(":")
        scheme = scheme.lower()
        if scheme not in DEFAULT_PORTS or not rest.startswith("//"):
            _refuse(text, "is not an http:// or https:// URL")
        authority = re.split(r"[/?#]", rest[2:], maxsplit=1)[0]
        host, port = _split_authority(text, authority, DEFAULT_PORTS[scheme])
        target = Target(_parsed(text, host, port), host, port)
        literal = _literal(host)
        if literal is not None:
            self.check_addresses(host, port, [literal])
        elif port not in PUBLIC_PORTS and not self._allows_host(host) and not self._networks:
            _refuse_port(host, port)
        return target

    def check_addresses(self, host: str, port: int, addresses: Iterable[Address | str]) -> None:
        """Passes a host whose every address may be connected to, on this port.

        Raises:
            ImageRejected: `image_refused`, naming the address and what it is.
        """
        if self._allows_host(host):
            return
        for given in addresses:
            address = ip_address(given.partition("%")[0]) if isinstance(given, str) else given
            if any(address in network for network in self._networks):
                continue
            kind = kind_of(address)
            if kind is not None:
                raise ImageRejected(
                    f"{_naming(host, address)} {kind}: pictures are fetched from public addresses; {ALLOW_HINT}",
                    code="image_refused",
                    host=host,
                )
            if port not in PUBLIC_PORTS:
                _refuse_port(host, port)

    def _allows_host(self, host: str) -> bool:
        return host.rstrip(".") in self._hosts


def kind_of(address: Address) -> str | None:
    """What makes an address unfit to be connected to; None for a public unicast one."""
    for network, kind in _KINDS:
        if address in network:
            return kind
    if isinstance(address, IPv6Address):
        if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
            return "an IPv4 address inside IPv6"
        if address not in _UNICAST:
            return "reserved"
    return None if address.is_global else "reserved"


def _split_authority(text: str, authority: str, default_port: int) -> tuple[str, int]:
    """Host (lower case, without brackets) and port."""
    if "@" in authority:
        _refuse(text, "carries a user name or password; leave it out")
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            _refuse(text, "has a broken address in brackets")
        colon, port_text = rest[:1], rest[1:]
    else:
        host, colon, port_text = authority.partition(":")
        host = _ascii_name(text, host)
    port = default_port
    if colon and port_text:
        if not re.fullmatch(r"[0-9]{1,5}", port_text) or not 0 < int(port_text) < 65536:
            _refuse(text, f"has no port but {port_text[:20]!r}")
        port = int(port_text)
    if authority.startswith("["):
        return _ipv6(text, host), port
    return host, port


def _ascii_name(text: str, host: str) -> str:
    """A host name in lower case, international ones in their ASCII form, never a number in disguise."""
    if not host.isascii():
        try:
            host = URL.build(scheme="http", host=host).raw_host or ""
        except ValueError:
            _refuse(text, "has a host that is no name")
    host = host.lower()
    if _HOST.fullmatch(host) is None:
        _refuse(text, "has no host" if not host else f"has a host that is no name: {host[:80]!r}")
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]) and _literal(host) is None:
        _refuse(text, f"writes its address as {host[:80]!r}; write it as four decimal numbers (192.0.2.1)")
    return host


def _ipv6(text: str, host: str) -> str:
    try:
        return IPv6Address(host if "%" not in host else "").compressed
    except AddressValueError:
        _refuse(text, f"has no IPv6 address but {host[:80]!r}")


def _literal(host: str) -> Address | None:
    """The address a host is, in its one accepted spelling."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _parsed(text: str, host: str, port: int) -> URL:
    """The URL as it will be sent; it must mean to the HTTP client what it means here."""
    try:
        url = URL(text, encoded=text.isascii()).with_fragment(None)
        same = _same_host(url.raw_host or "", host) and url.port == port and url.user is None
    except ValueError:
        same = False
    if not same:
        _refuse(text, "can be read in more than one way")
    return url


def _same_host(raw: str, host: str) -> bool:
    literal = _literal(host)
    return raw.lower() == host if literal is None else _literal(raw) == literal


def _naming(host: str, address: Address) -> str:
    return f"{host} is" if host == str(address) else f"{host} is {address}, which is"


def _refuse_port(host: str, port: int) -> NoReturn:
    ports = ", ".join(str(p) for p in sorted(PUBLIC_PORTS))
    raise ImageRejected(
        f"port {port} of {host} is refused: pictures are fetched from ports {ports}; {ALLOW_HINT}",
        code="image_refused",
        host=host,
        port=port,
    )


def _refuse(text: str, why: str) -> NoReturn:
    shown = text if len(text) <= 200 else f"{text[:80]}... ({len(text)} characters)"
    raise ImageRejected(f"{shown!r} is refused: it {why}", code="image_refused")
