"""A catalogue is searched by upload, base64, data: URL, vector and item; filters, pages and attributes do as said."""

import base64
from typing import Any

import pytest

from schemas.queries import ShardCounts
from tests.process.pictures import data_url, picture
from tests.process.router.conftest import SHARDS, Stage

ITEMS = [f"sku-{n}" for n in range(30)]


@pytest.fixture
async def catalog(stage: Stage) -> Stage:
    for n, item_id in enumerate(ITEMS):
        stage.put(item_id, n, price=n, even=n % 2 == 0)
    return stage


async def test_every_picture_finds_its_item_first(catalog: Stage) -> None:
    for n in (0, 7, 29):
        answer = await catalog.client.search_picture(catalog.upload(n), k=3)
        assert answer.items[0].item_id == ITEMS[n]
        assert answer.items[0].score == pytest.approx(1, abs=1e-5)
        assert (answer.shards, answer.degraded, answer.warnings) == (ShardCounts(SHARDS, SHARDS, 0, 0), None, [])


async def test_answer_has_the_promised_shape(catalog: Stage) -> None:
    status, body = await catalog.ask("POST", "/v1/search", json={"item_id": "sku-1", "k": 2})
    assert status == 200
    assert set(body) == {"query_id", "generation", "took_ms", "items", "shards", "degraded", "warnings"}
    assert body["generation"] == "g1"
    assert body["degraded"] is None
    assert body["shards"] == {"total": 3, "ok": 3, "failed": 0, "timed_out": 0}
    assert [set(item) for item in body["items"]] == [{"item_id", "score", "attributes"}] * 2
    assert set(body["items"][0]["attributes"]) == {"price", "even"}


async def test_all_ways_to_ask_for_a_picture_answer_alike(catalog: Stage) -> None:
    data, vector = catalog.upload(3), catalog.vectors_of(3)[0]
    size = catalog.encoder.preprocessing.size
    answers = [
        await catalog.client.search_picture(data, k=5),
        await catalog.client.search_body({"image_b64": base64.b64encode(data).decode(), "k": 5}),
        await catalog.client.search_body({"image_url": data_url(picture(3, (size, size))), "k": 5}),
        await catalog.client.search_vector([7 * float(v) for v in vector], "g1", k=5),
    ]
    found = [[(hit.item_id, round(hit.score, 5)) for hit in answer.items] for answer in answers]
    assert len(found[0]) == 5
    assert all(one == found[0] for one in found)
    assert len({answer.query_id for answer in answers}) == 4


async def test_look_alikes_of_an_item_leave_it_out(catalog: Stage) -> None:
    by_vector = await catalog.client.search_vector(catalog.vectors_of(4)[0].tolist(), "g1", k=31)
    expected = [hit.item_id for hit in by_vector.items if hit.item_id != "sku-4"]
    for answer in (await catalog.client.search_item("sku-4", k=30), await catalog.client.similar("sku-4", k=30)):
        assert [hit.item_id for hit in answer.items] == expected
        assert len(expected) == 29


async def test_item_of_several_pictures_counts_by_its_best(catalog: Stage) -> None:
    catalog.put("album", 5, 9, 21)
    answer = await catalog.client.search_item("album", k=40)
    assert {hit.item_id for hit in answer.items[:3]} == {"sku-5", "sku-9", "sku-21"}
    assert len(answer.items) == len(ITEMS)
    found = await catalog.client.search_picture(catalog.upload(9), k=2)
    assert [hit.item_id for hit in found.items] == ["album", "sku-9"]


async def test_pages_are_windows_of_one_list(catalog: Stage) -> None:
    data = catalog.upload(11)
    whole = await catalog.client.search_picture(data, k=30)
    parts = [await catalog.client.search_picture(data, k=7, offset=offset) for offset in range(0, 35, 7)]
    assert [hit.item_id for part in parts for hit in part.items] == [hit.item_id for hit in whole.items]
    assert [hit.score for hit in whole.items] == sorted((hit.score for hit in whole.items), reverse=True)
    floor = whole.items[9].score
    above = await catalog.client.search_picture(data, k=30, min_score=floor)
    assert [hit.item_id for hit in above.items] == [hit.item_id for hit in whole.items if hit.score >= floor]


async def test_filter_holds_and_an_attribute_nobody_has_is_named(catalog: Stage) -> None:
    answer = await catalog.client.similar("sku-2", k=30, filter={"even": True, "price": {"lt": 10}})
    assert {hit.item_id for hit in answer.items} == {"sku-0", "sku-4", "sku-6", "sku-8"}
    assert answer.warnings == []
    answer = await catalog.client.similar("sku-2", filter={"colour": "red", "price": 3})
    assert answer.items == []
    assert len(answer.warnings) == 1
    assert "colour" in answer.warnings[0]


async def test_attributes_are_left_out_when_asked(catalog: Stage) -> None:
    for path in ("/v1/items/sku-1/similar?include_attributes=false&k=4", "/v1/items/sku-1/similar?k=4"):
        _, body = await catalog.ask("GET", path)
        assert len(body["items"]) == 4
        assert all(("attributes" in item) == ("false" not in path) for item in body["items"])


async def test_crop_searches_by_a_part_of_the_picture(catalog: Stage) -> None:
    catalog.put("part", "part")
    side = catalog.encoder.preprocessing.size
    canvas = picture("around", (2 * side, 2 * side))
    canvas.paste(picture("part", (side, side)), (side, 0))
    crop = {"x": 0.5, "y": 0, "width": 0.5, "height": 0.5}
    answer = await catalog.client.search_body({"image_url": data_url(canvas), "crop": crop, "k": 1})
    assert answer.items[0].item_id == "part"
    assert answer.items[0].score == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"vector": [1.0] * 63, "generation": "g1"}, 400, "bad_request"),
        ({"vector": [0.0] * 64, "generation": "g1"}, 400, "bad_request"),
        ({"vector": [1.0] * 64, "generation": "g0"}, 409, "other_generation"),
        ({"vector": [1.0] * 64}, 400, "bad_request"),
        ({"item_id": "sku-1", "generation": "g0"}, 409, "other_generation"),
        ({"item_id": "nobody"}, 404, "unknown_item"),
    ],
)
async def test_what_cannot_be_looked_for(catalog: Stage, body: dict[str, Any], status: int, code: str) -> None:
    answered, error = await catalog.ask("POST", "/v1/search", json=body)
    assert (answered, error["error"]["code"]) == (status, code)
