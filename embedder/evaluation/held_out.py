"""Who is held out: pictures that a model is not trained on, the same ones for whoever trains and whoever judges."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]


def group_key(item_id: str, group: str | None) -> str:
    """What keeps pictures together: their parent product where one is named, else their item."""
    return f"item {item_id}" if group is None else f"group {group}"


def held_out_by_group(groups: Sequence[str], share: float, seed: int) -> BoolArray:
    """Marks (n,) of a share of the pictures, drawn by group: the pictures of one product are all held out, or none.

    Groups are ordered by a hash of seed and name, and taken until the share is reached. So the same catalogue gives the
    same pictures whatever the order it is read in, and one that has grown gives nearly the same.
    """
    sizes: dict[str, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    return _taken(sorted(sizes, key=lambda group: (_drawn(group, seed), group)), sizes, groups, share)


def held_out_by_time(groups: Sequence[str], times_us: Sequence[int | None], share: float) -> BoolArray:
    """Marks (n,) of the newest share of the pictures: what a model is judged by came after what it could be trained on.

    A group is as old as its oldest picture, so that no product is on both sides; a picture without a time is oldest.
    """
    sizes: dict[str, int] = {}
    oldest: dict[str, int] = {}
    for group, time_us in zip(groups, times_us, strict=True):
        sizes[group] = sizes.get(group, 0) + 1
        time = -(2**63) if time_us is None else time_us
        oldest[group] = min(oldest.get(group, time), time)
    return _taken(sorted(sizes, key=lambda group: (-oldest[group], group)), sizes, groups, share)


def _taken(order: Sequence[str], sizes: dict[str, int], groups: Sequence[str], share: float) -> BoolArray:
    wanted = round(share * len(groups))
    taken: set[str] = set()
    count = 0
    for group in order:
        if count >= wanted:
            break
        taken.add(group)
        count += sizes[group]
    return np.array([group in taken for group in groups], dtype=np.bool_)


def _drawn(group: str, seed: int) -> bytes:
    return hashlib.blake2b(
        f"{seed}\0{group}".encode(errors="surrogatepass"), digest_size=16, person=b"held out"
    ).digest()
