"""A query as it was asked: what to look for, and how; parsed from JSON bodies, form fields and URL parameters."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

import msgspec

from embedder.address_guard import AddressGuard
from embedder.fetch import decode_base64, decode_data_url
from embedder.preprocess import check_crop
from query_router.misfits import misfit
from query_router.ranking import check_supported
from schemas.changes import check_item_id
from schemas.errors import ImageRejected, InputError, TooLarge
from schemas.filters import parse_filter
from schemas.queries import SearchBody, SearchOptions
from schemas.settings import ImageSettings

SOURCES = ("image_url", "image_b64", "item_id", "vector")

Parsed = TypeVar("Parsed")


class Picture(NamedTuple):
    """Look for what looks like this encoded picture."""

    data: bytes


class PictureUrl(NamedTuple):
    """Look for what looks like the picture at this `http(s):` URL."""

    url: str


class Item(NamedTuple):
    """Look for what looks like this item, itself left out."""

    item_id: str


class Vector(NamedTuple):
    """Look for what lies near this vector, of whatever length, of the named generation."""

    values: tuple[float, ...]
    generation: str


class Query(NamedTuple):
    """What to look for and how; `generation` is the one the caller insists on.

    `canaries` lets the system's own probes be found.
    """

    source: Picture | PictureUrl | Item | Vector
    options: SearchOptions
    generation: str | None = None
    canaries: bool = False


def parse_body(data: bytes, images: ImageSettings) -> Query:
    """The query of a JSON body of `POST /v1/search`.

    Raises:
        InputError: `bad_json`, or `bad_request` naming the field; `not_supported`, `bad_filter`, `bad_id`.
        TooLarge: the picture has more than `images.max_bytes` bytes.
        ImageRejected: `image_refused` for a URL that is not fetched from, or as `embedder.fetch.decode_base64`.
    """
    body = decode_json(data, SearchBody, "the body")
    check_options(body)
    given = [name for name in SOURCES if getattr(body, name) is not None]
    if len(given) != 1:
        names = ", ".join(SOURCES)
        raise InputError(f"the body needs exactly one of {names}, not {', '.join(given) or 'none'}", given=given)
    if body.crop is not None and given[0] in ("item_id", "vector"):
        raise InputError(f"`crop` cuts a picture; it cannot be used with `{given[0]}`", field="crop")
    return Query(_source(body, images), body, body.generation)


def parse_options(data: bytes) -> SearchOptions:
    """The options in the form field `query`; raises InputError as `parse_body`."""
    options = decode_json(data, SearchOptions, "the field `query`")
    check_options(options)
    return options


def parse_parameters(parameters: Iterable[tuple[str, str]]) -> SearchOptions:
    """The options in a URL's parameters (`filter` is JSON); raises InputError as `parse_body`."""
    tree = _named_once(parameters)
    if "crop" in tree:
        raise InputError("`crop` cuts a picture; it cannot be used with an item", field="crop")
    if "filter" in tree:
        tree["filter"] = decode_json(tree["filter"].encode(errors="surrogatepass"), Any, "`filter`")
    options = _converted(tree, SearchOptions)
    check_options(options)
    return options


def convert_parameters(parameters: Iterable[tuple[str, str]], kind: type[Parsed]) -> Parsed:
    """A URL's parameters as this type; raises InputError naming the one that does not fit."""
    return _converted(_named_once(parameters), kind)


def _named_once(parameters: Iterable[tuple[str, str]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, text in parameters:
        if name in tree:
            raise InputError(f"the parameter `{name}` is given more than once", field=name)
        tree[name] = text
    return tree


def _converted(tree: dict[str, Any], kind: type[Parsed]) -> Parsed:
    try:
        return msgspec.convert(tree, kind, strict=False)
    except msgspec.ValidationError as error:
        raise misfit(error, "the URL", kind) from error


def check_options(options: SearchOptions) -> None:
    """Pass options that can be searched with; raises InputError as `parse_body`."""
    check_supported(options)
    if options.min_score is not None and not math.isfinite(options.min_score):
        raise InputError("`min_score` must be a number from -1 to 1", field="min_score")
    if options.crop is not None:
        check_crop(options.crop)
    if options.filter is None:
        return
    try:
        parse_filter(options.filter)
        msgspec.msgpack.encode(options.filter)
    except RecursionError as error:
        raise InputError("the filter nests too deeply", code="bad_filter") from error
    except OverflowError as error:
        raise InputError("the filter holds a number of more than 64 bits", code="bad_filter") from error


def decode_json(data: bytes, kind: type[Parsed], where: str) -> Parsed:
    """JSON of this type.

    Raises:
        InputError: `bad_json` for what is not JSON, `bad_request` naming the field that does not fit.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise misfit(error, where, kind) from error
    except RecursionError as error:
        raise InputError(f"{where} nests too deeply", code="bad_json") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{where} is not JSON: {error}", code="bad_json") from error


def _source(body: SearchBody, images: ImageSettings) -> Picture | PictureUrl | Item | Vector:
    if body.item_id is not None:
        return Item(check_item_id(body.item_id))
    if body.vector is not None:
        if body.generation is None:
            raise InputError(
                "a `vector` needs the `generation` it was made for: vectors of two generations are never compared",
                field="generation",
            )
        return Vector(tuple(body.vector), body.generation)
    try:
        if body.image_b64 is not None:
            return Picture(decode_base64(body.image_b64, images.max_bytes))
        return _picture_at(body.image_url or "", images)
    except ImageRejected as error:
        if error.code == "image_too_large":
            raise TooLarge(error.message, **error.details) from error
        raise


def _picture_at(url: str, images: ImageSettings) -> Picture | PictureUrl:
    scheme = url.partition(":")[0].lower() if ":" in url else ""
    match scheme:
        case "data":
            return Picture(decode_data_url(url, images.max_bytes))
        case "http" | "https":
            AddressGuard(images).check_url(url)
            return PictureUrl(url)
        case "file" | "store":
            raise ImageRejected(
                "a query's `image_url` may never be a file: send the picture itself", code="image_refused"
            )
        case _:
            raise ImageRejected(
                f"`image_url` must be a data:, http: or https: URL, not {url[:80]!r}; or send the picture itself",
                code="image_refused",
            )
