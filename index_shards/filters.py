"""Filters by scan: which pictures belong to items that pass."""

from typing import NamedTuple

import numpy as np

from index_shards.candidates import Int64Array
from index_shards.id_map import IdMap
from schemas.filters import Filter, matches


class Passed(NamedTuple):
    """The ordinals of every picture of an item that passes, shape (n,), and the filter's attributes no item has."""

    ordinals: Int64Array
    unknown_attributes: list[str]


def scan_items(wanted: Filter, id_map: IdMap) -> Passed:
    """Look at every item that can be found."""
    unseen = set(wanted.attributes())
    ordinals: set[int] = set()
    for item in id_map.findable_items():
        unseen.difference_update(item.attributes)
        if matches(wanted, item.attributes):
            ordinals.update(picture.ordinal for picture in item.pictures)
    return Passed(np.fromiter(ordinals, np.int64, len(ordinals)), sorted(unseen))
