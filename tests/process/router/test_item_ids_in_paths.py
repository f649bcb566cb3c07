"""Any id can be asked for by its percent-encoded path, whatever is in it."""

from urllib.parse import quote

import pytest
from yarl import URL

from schemas.errors import LookaliveError
from tests.process.router.conftest import Stage

ODD_IDS = [
    "a/b",
    "a/similar",
    "similar",
    "/",
    "/similar",
    "..",
    ".",
    "a?b=c#d",
    "a b+c%20d%2Fe",
    "{item_id}",
    "ünï/çødé 商品 👗",
    "'\"<script>",
    "x" * 512,
]


@pytest.mark.parametrize("item_id", ODD_IDS)
async def test_item_and_its_look_alikes(stage: Stage, item_id: str) -> None:
    stage.put(item_id, "odd", n=1)
    stage.put("other", "other")
    found = await stage.client.item(item_id)
    assert (found.item_id, found.version, bytes(found.attributes), found.generation) == (item_id, 7, b'{"n":1}', "g1")
    assert (found.event_time, found.searchable_at) == ("2024-11-21T11:53:20.000000Z", "2024-11-21T11:53:21.500000Z")
    similar = await stage.client.similar(item_id)
    assert [hit.item_id for hit in similar.items] == ["other"]
    assert [hit.item_id for hit in (await stage.client.search_item("other")).items] == [item_id]


async def test_encoded_slash_belongs_to_the_id_and_a_plain_one_does_not(stage: Stage) -> None:
    stage.put("a", "a")
    stage.put("a/similar", "b", k=1)
    for path, keys in (("/v1/items/a%2Fsimilar", "attributes"), ("/v1/items/a%2fsimilar", "attributes")):
        async with stage.http.get(URL(stage.url(path), encoded=True)) as answer:
            assert (await answer.json())[keys] == {"k": 1}
    status, body = await stage.ask("GET", "/v1/items/a/similar")
    assert (status, [item["item_id"] for item in body["items"]]) == (200, ["a/similar"])
    assert (await stage.ask("GET", "/v1/items/a/b"))[0] == 404


@pytest.mark.parametrize(("segment", "status", "code"), [("%ff", 400, "bad_id"), (quote("x" * 513), 400, "bad_id")])
async def test_what_is_no_id(stage: Stage, segment: str, status: int, code: str) -> None:
    async with stage.http.get(URL(stage.url(f"/v1/items/{segment}"), encoded=True)) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (status, code)


async def test_unknown_item_is_a_404_of_our_shape(stage: Stage) -> None:
    for ask in (stage.client.item, stage.client.similar, stage.client.search_item):
        with pytest.raises(LookaliveError) as caught:
            await ask("nobody")
        assert (caught.value.code, caught.value.details) == ("unknown_item", {"item_id": "nobody"})
