"""The web page's files, read once and served with a policy that lets nothing in from outside."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from aiohttp import web

from query_router.openapi import RouteDoc

CONTENT_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
WEB_DOC = RouteDoc("A part of the web page", "Styles, scripts and the icon.", answer_type="*/*", errors=(404,))


class WebFile(NamedTuple):
    """One file of the page; `etag` changes with its content."""

    body: bytes
    content_type: str
    etag: str


@cache
def web_files() -> dict[str, WebFile]:
    """Name -> file, of everything the page is made of."""
    found = {}
    for entry in files("query_router").joinpath("web").iterdir():
        suffix = entry.name[entry.name.rfind(".") :]
        if suffix in CONTENT_TYPES:
            body = entry.read_bytes()
            found[entry.name] = WebFile(body, CONTENT_TYPES[suffix], hashlib.sha256(body).hexdigest()[:32])
    return found


def home_page() -> str:
    """The page to search with."""
    return web_files()["index.html"].body.decode()


async def home(request: web.Request) -> web.Response:
    """The page to search with."""
    return _answer(request, web_files()["index.html"])


async def web_file(request: web.Request) -> web.Response:
    """One of the page's other files."""
    found = web_files().get(request.match_info["file"])
    if found is None:
        raise web.HTTPNotFound
    return _answer(request, found)


def html_response(html: str) -> web.Response:
    """A page made here, under the same policy."""
    return web.Response(text=html, content_type="text/html", headers=HEADERS)


def _answer(request: web.Request, file: WebFile) -> web.Response:
    """The file, or a 304 to whoever has it; browsers ask again each time, so that nobody sees half of an old page."""
    known = [tag.value for tag in request.if_none_match or ()]
    if file.etag in known:
        response = web.Response(status=304, headers=HEADERS)
    else:
        response = web.Response(body=file.body, content_type=file.content_type, charset="utf-8", headers=HEADERS)
    response.etag = file.etag
    return response
