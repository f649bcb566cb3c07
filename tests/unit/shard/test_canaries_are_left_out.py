"""Searches show no canary, and lack no item for it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from index_shards.node.canaries import without_canaries
from index_shards.searcher import Found, FoundItem, Query
from schemas.canary import CANARY_PREFIX


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 12))
def test_the_best_items_without_them(kinds: list[bool], k: int) -> None:
    ids = [f"{CANARY_PREFIX if canary else 'sku-'}{number}" for number, canary in enumerate(kinds)]
    items = [FoundItem(item_id, 1.0 - n / 100, b"{}") for n, item_id in enumerate(ids)]
    asked: list[int] = []

    def search(query: Query) -> Found:
        asked.append(query.k)
        return Found(items[: query.k], ["colour"])

    found = without_canaries(search, Query(np.zeros(2, np.float32), k))
    assert [i.item_id for i in found.items] == [i for i in ids if i.startswith("sku-")][:k]
    assert found.unknown_attributes == ["colour"]
    if not any(kinds[:k]):
        assert asked == [k]
