"""What does not fit is said in a caller's words: the field, what it takes, what came."""

from typing import Any

import msgspec
import pytest

from query_router.misfits import misfit
from query_router.query import convert_parameters, decode_json
from schemas.errors import InputError
from schemas.item_writes import PatchBody, PutBody, WaitOptions
from schemas.queries import SearchBody

BODIES: dict[str, tuple[bytes, Any, str | None, str]] = {
    "too large": (b'{"k": 5000}', SearchBody, "k", "`k` must be at most 1000"),
    "too small": (b'{"timeout_ms": 0}', SearchBody, "timeout_ms", "`timeout_ms` must be at least 1"),
    "another type": (b'{"k": "10"}', SearchBody, "k", "`k` must be a whole number, not text"),
    "one type or null": (
        b'{"item_id": 7}',
        SearchBody,
        "item_id",
        "`item_id` must be text or null, not a whole number",
    ),
    "deep inside": (
        b'{"vector": [1, true]}',
        SearchBody,
        "vector[1]",
        "`vector[1]` must be a number, not true or false",
    ),
    "no object": (b"[]", SearchBody, None, "the body must be an object, not a list"),
    "missing": (b"{}", PatchBody, None, "the body needs `attributes`"),
    "too many": (b'{"image_urls": ["","","","","","","","",""]}', PutBody, "image_urls", "must have at most 8 entries"),
    "crop of pixels": (b'{"crop": {"x": 40, "y": 0, "width": 1, "height": 1}}', SearchBody, "crop.x", "0 to 1"),
    "side missing": (b'{"crop": {"x": 0, "y": 0, "width": 1}}', SearchBody, "crop", "`crop` needs `height`"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_does_not_fit(name: str) -> None:
    data, kind, field, said = BODIES[name]
    with pytest.raises(InputError) as caught:
        decode_json(data, kind, "the body")
    assert said in caught.value.message
    assert caught.value.details.get("field") == field


def test_a_choice_names_what_there_is() -> None:
    with pytest.raises(InputError) as caught:
        convert_parameters([("wait", "searchible")], WaitOptions)
    assert caught.value.message == "`wait` is 'searchable' or left out, not 'searchible'"
    assert caught.value.details == {"field": "wait"}


def test_an_unknown_field_names_those_there_are() -> None:
    with pytest.raises(InputError) as caught:
        convert_parameters([("timout_ms", "5")], WaitOptions)
    assert caught.value.message == "the URL has an unknown field `timout_ms`; there are `wait`, `timeout_ms`"
    assert caught.value.details == {"field": "timout_ms"}


def test_a_sentence_of_another_shape_is_passed_on() -> None:
    assert misfit(msgspec.ValidationError("odd"), "the body", SearchBody).message == "the body does not fit: odd"
