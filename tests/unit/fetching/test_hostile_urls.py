"""URLs that lead where they must not: every one is refused, with a reason, before anything is asked."""

import socket
from typing import Any

import pytest

from embedder.fetch import query_fetcher
from schemas.errors import ImageRejected, SettingsError
from schemas.settings import ImageSettings

BY_TEXT = {
    "loopback": "http://127.0.0.1/a.png",
    "loopback, another": "http://127.8.9.10/a.png",
    "private 10": "http://10.0.0.1/a.png",
    "private 172": "https://172.16.0.1/a.png",
    "private 192": "http://192.168.1.1/a.png",
    "cloud metadata": "http://169.254.169.254/latest/meta-data/",
    "carrier-grade NAT": "http://100.64.0.1/a.png",
    "unspecified": "http://0.0.0.0/a.png",
    "this network": "http://0.1.2.3/a.png",
    "multicast": "http://224.0.0.1/a.png",
    "broadcast": "http://255.255.255.255/a.png",
    "reserved": "http://240.0.0.1/a.png",
    "benchmarking": "http://198.18.0.1/a.png",
    "documentation": "http://192.0.2.1/a.png",
    "decimal": "http://2130706433/a.png",
    "octal": "http://0177.0.0.1/a.png",
    "octal, one number": "http://017700000001/a.png",
    "hexadecimal": "http://0x7f000001/a.png",
    "hexadecimal parts": "http://0x7f.0x0.0x0.0x1/a.png",
    "shortened": "http://127.1/a.png",
    "shortened to zero": "http://0/a.png",
    "leading zeros": "http://127.000.000.001/a.png",
    "too large a part": "http://127.0.0.256/a.png",
    "dot at the end": "http://127.0.0.1./a.png",
    "number at the end": "http://example.0x7f/a.png",
    "circled digits": "http://①②⑦.⓪.⓪.①/a.png",
    "full-width digits": "http://１２７.0.0.1/a.png",
    "ideographic dots": "http://127。0。0。1/a.png",
    "percent-encoded host": "http://%31%32%37.0.0.1/a.png",
    "IPv6 loopback": "http://[::1]/a.png",
    "IPv6 unspecified": "http://[::]/a.png",
    "IPv6 link-local": "http://[fe80::1]/a.png",
    "IPv6 zone": "http://[fe80::1%25eth0]/a.png",
    "IPv6 unique local": "http://[fd00::1]/a.png",
    "IPv6 site-local": "http://[fec0::1]/a.png",
    "IPv6 multicast": "http://[ff02::1]/a.png",
    "IPv6 documentation": "http://[2001:db8::1]/a.png",
    "IPv6 outside of unicast": "http://[4000::1]/a.png",
    "mapped": "http://[::ffff:127.0.0.1]/a.png",
    "mapped, hexadecimal": "http://[::ffff:7f00:1]/a.png",
    "mapped, public": "http://[::ffff:8.8.8.8]/a.png",
    "IPv4-compatible": "http://[::127.0.0.1]/a.png",
    "6to4": "http://[2002:7f00:1::]/a.png",
    "NAT64": "http://[64:ff9b::7f00:1]/a.png",
    "NAT64, local": "http://[64:ff9b:1::7f00:1]/a.png",
    "Teredo": "http://[2001::7f00:1]/a.png",
    "ISATAP": "http://[2600::5efe:127.0.0.1]/a.png",
    "user name": "http://user@example.com/a.png",
    "user name that is a host": "http://example.com@127.0.0.1/a.png",
    "user and password": "http://a:b@example.com/a.png",
    "backslash": "http://example.com\\@127.0.0.1/a.png",
    "tab": "http://exam\tple.com/a.png",
    "line break": "http://example.com/a.png\r\nHost: 127.0.0.1",
    "blank in front": " http://example.com/a.png",
    "null byte": "http://example.com/a\0.png",
    "ssh's port": "http://example.com:22/a.png",
    "redis' port": "http://example.com:6379/a.png",
    "no such port": "http://example.com:99999/a.png",
    "port zero": "http://example.com:0/a.png",
    "port that is none": "http://example.com:80a/a.png",
    "no host": "http:///a.png",
    "no slashes": "http:example.com/a.png",
    "one slash": "http:/127.0.0.1/a.png",
    "broken brackets": "http://[::1/a.png",
    "endless": "http://example.com/" + "a" * 5000,
    "endless label": f"http://{'a' * 64}.com/a.png",
    "file": "file:///etc/passwd",
    "file, capitals": "FILE:///etc/passwd",
    "store": "store:" + "0" * 64,
    "bucket": "s3://bucket/a.png",
    "gopher": "gopher://127.0.0.1:6379/_FLUSHALL",
    "ftp": "ftp://example.com/a.png",
    "ldap": "ldap://127.0.0.1/",
    "jar": "jar:http://example.com!/a.png",
    "javascript": "javascript:alert(1)",
    "no scheme": "//127.0.0.1/a.png",
}

BY_NAME = {
    "loopback": ["127.0.0.1"],
    "private": ["10.1.2.3"],
    "cloud metadata": ["169.254.169.254"],
    "IPv6 loopback": ["::1"],
    "unique local": ["fd12::1"],
    "link-local with zone": ["fe80::1%eth0"],
    "mapped": ["::ffff:10.0.0.1"],
    "NAT64": ["64:ff9b::a00:1"],
    "public and private": ["93.184.215.14", "192.168.0.1"],
}


async def refusal(url: str, images: ImageSettings | None = None) -> ImageRejected:
    fetcher = query_fetcher(images or ImageSettings())
    try:
        with pytest.raises(ImageRejected) as caught:
            await fetcher.fetch(url)
    finally:
        await fetcher.close()
    return caught.value


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nobody may be asked, not even a name server."""
    asked: list[str] = []

    def refuse(host: str, *_: Any, **__: Any) -> None:
        asked.append(host)
        raise AssertionError(f"{host} was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return asked


@pytest.mark.parametrize("name", BY_TEXT)
async def test_a_hostile_url_is_refused_by_its_text(name: str, no_network: list[str]) -> None:
    error = await refusal(BY_TEXT[name])
    assert (error.code, error.temporary) == ("image_refused", False)
    assert error.message
    assert no_network == []


@pytest.mark.parametrize("name", BY_NAME)
async def test_a_public_name_of_a_private_address_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        family = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(family[":" in a], socket.SOCK_STREAM, 6, "", (a, port)) for a in BY_NAME[name]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    error = await refusal("http://pictures.example/a.png")
    assert (error.code, error.temporary) == ("image_refused", False)
    assert "pictures.example is" in error.message


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ({"allow_networks": ("10.0.0.0/8",)}, "http://127.0.0.1/a.png"),
        ({"allow_networks": ("127.0.0.0/8",)}, "http://[::ffff:127.0.0.1]/a.png"),
        ({"allow_networks": ("127.0.0.0/8",)}, "http://2130706433/a.png"),
        ({"allow_networks": ("127.0.0.0/8",)}, "http://8.8.8.8:22/a.png"),
        ({"allow_hosts": ("images.internal",)}, "http://x.images.internal:22/a.png"),
        ({"allow_hosts": ("images.internal",)}, "http://127.0.0.1/a.png"),
    ],
)
async def test_what_is_allowed_allows_nothing_else(allowed: dict[str, Any], url: str, no_network: list[str]) -> None:
    assert (await refusal(url, ImageSettings(**allowed))).code == "image_refused"
    assert no_network == []


def test_a_network_that_is_none_is_said_at_the_start() -> None:
    with pytest.raises(SettingsError, match="ALLOW_NETWORKS"):
        query_fetcher(ImageSettings(allow_networks=("10.0.0.1/8",)))
