"""Bodies and parameters: what is taken, and which code and field every refusal names."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_router.query import Item, Picture, Vector, parse_body, parse_options, parse_parameters
from schemas.errors import ImageRejected, InputError, LookaliveError, TooLarge
from schemas.queries import SearchBody
from schemas.settings import ImageSettings

IMAGES = ImageSettings(max_bytes=1000)
PICTURE = b"any bytes: they are decoded later"
PICTURE_B64 = base64.b64encode(PICTURE).decode()

BAD_BODIES: dict[str, tuple[bytes | dict[str, Any], str, str | None]] = {
    "empty": (b"", "bad_json", None),
    "truncated": (b'{"item_id": "a"', "bad_json", None),
    "not utf-8": (b'{"item_id": "\xff\xfe"}', "bad_json", None),
    "lone surrogate": (b'{"item_id": "\\ud800"}', "bad_json", None),
    "NaN": (b'{"vector": [NaN], "generation": "g1"}', "bad_json", None),
    "too deep": (b'{"filter": ' + b'{"or":[' * 5000 + b"]}" * 5000 + b"}", "bad_json", None),
    "a list": (b"[]", "bad_request", None),
    "null": (b"null", "bad_request", None),
    "nothing to look for": ({}, "bad_request", None),
    "two things to look for": ({"item_id": "a", "image_b64": PICTURE_B64}, "bad_request", None),
    "unknown field": ({"item_id": "a", "kk": 1}, "bad_request", "kk"),
    "k of another type": ({"item_id": "a", "k": "10"}, "bad_request", "k"),
    "k true": ({"item_id": "a", "k": True}, "bad_request", "k"),
    "k 0": ({"item_id": "a", "k": 0}, "bad_request", "k"),
    "k too large": ({"item_id": "a", "k": 1001}, "bad_request", "k"),
    "negative offset": ({"item_id": "a", "offset": -1}, "bad_request", "offset"),
    "min_score too large": ({"item_id": "a", "min_score": 1.5}, "bad_request", "min_score"),
    "timeout 0": ({"item_id": "a", "timeout_ms": 0}, "bad_request", "timeout_ms"),
    "filter a list": ({"item_id": "a", "filter": []}, "bad_request", "filter"),
    "filter operator": ({"item_id": "a", "filter": {"price": {"less": 3}}}, "bad_filter", None),
    "filter operand": ({"item_id": "a", "filter": {"price": {"lt": "3"}}}, "bad_filter", None),
    "filter of huge number": ({"item_id": "a", "filter": {"price": 10**30}}, "bad_filter", None),
    "filter too deep": (
        b'{"item_id":"a","filter":{"p":' + b'{"not":' * 900 + b"1" + b"}" * 902,
        "bad_filter",
        None,
    ),
    "crop with an item": (
        {"item_id": "a", "crop": {"x": 0, "y": 0, "width": 1, "height": 1}},
        "bad_request",
        "crop",
    ),
    "crop with a vector": (
        {"vector": [1.0], "generation": "g", "crop": {"x": 0, "y": 0, "width": 1, "height": 1}},
        "bad_request",
        "crop",
    ),
    "crop out of the picture": (
        {"image_b64": PICTURE_B64, "crop": {"x": 0.5, "y": 0, "width": 0.6, "height": 1}},
        "bad_request",
        None,
    ),
    "empty crop": (
        {"image_b64": PICTURE_B64, "crop": {"x": 0, "y": 0, "width": 0, "height": 1}},
        "bad_request",
        "crop.width",
    ),
    "crop without a side": ({"image_b64": PICTURE_B64, "crop": {"x": 0, "y": 0, "width": 1}}, "bad_request", "crop"),
    "collapse": ({"item_id": "a", "collapse": "group_id"}, "not_supported", "collapse"),
    "diversity": ({"item_id": "a", "diversity": 0.5}, "not_supported", "diversity"),
    "empty id": ({"item_id": ""}, "bad_id", None),
    "long id": ({"item_id": "x" * 513}, "bad_id", None),
    "id a number": ({"item_id": 7}, "bad_request", "item_id"),
    "vector without generation": ({"vector": [1.0, 0.0]}, "bad_request", "generation"),
    "vector of text": ({"vector": ["1"], "generation": "g1"}, "bad_request", "vector[0]"),
    "vector out of range": (b'{"vector": [1e400], "generation": "g1"}', "bad_request", "vector[0]"),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bad_body_is_refused_with_code_and_field(name: str) -> None:
    body, code, field = BAD_BODIES[name]
    with pytest.raises(InputError) as caught:
        parse_body(body if isinstance(body, bytes) else json.dumps(body).encode(), IMAGES)
    assert (caught.value.http_status, caught.value.code) == (400, code)
    if field is not None:
        assert caught.value.details["field"] == field
        assert field.rsplit(".", maxsplit=1)[-1] in caught.value.message


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("file:///etc/passwd", "image_refused"),
        ("FILE:///etc/passwd", "image_refused"),
        ("http://127.0.0.1:1/x.png", "image_refused"),
        ("s3://bucket/x.png", "image_refused"),
        ("store:" + "0" * 64, "image_refused"),
        ("/etc/passwd", "image_refused"),
        ("", "image_refused"),
        ("data:text/html;base64,AAAA", "image_unsupported"),
        ("data:image/png;base64,@@@@", "image_corrupt"),
    ],
)
def test_image_url_that_is_not_read(url: str, code: str) -> None:
    with pytest.raises(ImageRejected) as caught:
        parse_body(json.dumps({"image_url": url}).encode(), IMAGES)
    assert (caught.value.http_status, caught.value.code) == (422, code)


def test_picture_in_the_body() -> None:
    data_url = f"data:image/png;base64,{PICTURE_B64}"
    assert parse_body(json.dumps({"image_b64": PICTURE_B64}).encode(), IMAGES).source == Picture(PICTURE)
    assert parse_body(json.dumps({"image_url": data_url}).encode(), IMAGES).source == Picture(PICTURE)


@pytest.mark.parametrize("field", ["image_b64", "image_url"])
def test_picture_in_the_body_that_is_too_large(field: str) -> None:
    text = base64.b64encode(b"x" * 1001).decode()
    value = text if field == "image_b64" else f"data:image/png;base64,{text}"
    with pytest.raises(TooLarge):
        parse_body(json.dumps({field: value}).encode(), IMAGES)


def test_item_and_vector() -> None:
    assert parse_body(b'{"item_id": "a/b", "k": 3}', IMAGES).source == Item("a/b")
    query = parse_body(b'{"vector": [1, 2.5], "generation": "g1"}', IMAGES)
    assert (query.source, query.generation) == (Vector((1.0, 2.5), "g1"), "g1")


def test_options_default_to_the_contract() -> None:
    options = parse_options(b"{}")
    assert (options.k, options.offset, options.min_score, options.include_attributes) == (10, 0, None, True)


@pytest.mark.parametrize("data", [b"", b"nope", b'{"item_id": "a"}', b'{"k": 1.5}'])
def test_bad_options_of_a_form(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_options(data)


def test_parameters_are_the_same_options() -> None:
    options = parse_parameters(
        [("k", "3"), ("min_score", "0.5"), ("filter", '{"a": {"lt": 3}}'), ("include_attributes", "false")]
    )
    assert (options.k, options.min_score, options.include_attributes) == (3, 0.5, False)
    assert options.filter == {"a": {"lt": 3}}


@pytest.mark.parametrize(
    "parameters",
    [
        [("k", "x")],
        [("k", "0")],
        [("k", "1"), ("k", "2")],
        [("min_score", "nan")],
        [("filter", "{")],
        [("filter", "[]")],
        [("filter", '{"a": {"bad": 1}}')],
        [("crop", "0,0,1,1")],
        [("collapse", "group_id")],
        [("unknown", "1")],
        [("include_attributes", "maybe")],
        [("filter", "\udcff")],
    ],
)
def test_bad_parameters(parameters: list[tuple[str, str]]) -> None:
    with pytest.raises(LookaliveError) as caught:
        parse_parameters(parameters)
    assert caught.value.http_status == 400


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(SearchBody.__struct_fields__)


@given(st.dictionaries(FIELDS, json_values, max_size=5) | json_values)
def test_any_json_is_a_query_or_a_refusal(body: Any) -> None:
    refused = False
    try:
        query = parse_body(json.dumps(body).encode(errors="surrogatepass"), IMAGES)
    except LookaliveError as error:
        refused = 400 <= error.http_status < 500
    assert refused or isinstance(query.source, Picture | Item | Vector)


@given(st.binary(max_size=40))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(LookaliveError):
        parse_body(data, IMAGES)
