"""Filters: which items and which of their pictures may be in an answer."""

from typing import NamedTuple

import numpy as np
from pyroaring import BitMap

from index_shards.attribute_index import AttributeIndex
from index_shards.candidates import BoolArray, Int64Array
from index_shards.id_map import IdMap
from index_shards.picture_table import NOBODY, SLOT_MASK
from schemas.filters import Filter


class Passed(NamedTuple):
    """The numbers of the items that pass, their share of all, 0 to 1, and the attributes no item has."""

    numbers: BitMap
    share: float
    unknown_attributes: list[str]


def passing(wanted: Filter, attributes: AttributeIndex) -> Passed:
    """The items that can be found and pass."""
    numbers = attributes.select(wanted)
    return Passed(numbers, len(numbers) / max(attributes.count, 1), attributes.unknown(wanted))


def shown_by(ordinals: Int64Array, numbers: BitMap, id_map: IdMap) -> BoolArray:
    """True where one of these items shows the picture, for ordinals of shape (n,); the tiers' lock is held."""
    slots, pictures = ordinals & SLOT_MASK, id_map.pictures
    owners = pictures.owners.values[slots]
    owned = owners != NOBODY
    passed = np.array((BitMap(owners[owned]) & numbers).to_array(), np.uint32)
    marks: BoolArray = np.isin(owners, passed)
    if pictures.more_owners:
        for at, slot in enumerate(slots.tolist()):
            if not marks[at] and slot in pictures.more_owners:
                marks[at] = any(owner in numbers for owner in pictures.more_owners[slot])
    return marks
