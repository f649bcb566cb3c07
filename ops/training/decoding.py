"""Decoding all pictures of a training once: fetched and checked as the stream does it, many at a time."""

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec
import numpy as np

from embedder.decode import Pixels, decode_image, silence_pillow
from embedder.evaluation.variants import VARIANTS, variant
from embedder.fetch import SchemeFetcher, catalog_fetcher
from embedder.fingerprint import picture_fingerprint
from embedder.image_store import ImageStore
from embedder.prepare import decode_for, prepare_picture
from embedder.preprocess import Preprocessing
from embedder.training.pixel_store import PixelStore
from ops.evaluation.pictures import Picture
from schemas.errors import ImageRejected
from schemas.settings import ImageSettings, Settings

AT_ONCE = 16
MOST_SIDE = 4
"""A picture whose shorter side is so many times what the model takes is shrunk before it is kept; JPEGs are decoded
smaller anyway."""


class Wanted(NamedTuple):
    """What is wanted of a picture: to be kept decoded, prepared, or prepared with all its variants; else it is only
    looked at, to know it again."""

    picture: Picture
    keep: bool = False
    prepare: bool = False
    vary: bool = False


class Seen(NamedTuple):
    """What came of a picture: its fingerprint, its prepared pixels and its prepared variants, as was wanted."""

    fingerprint: bytes
    prepared: Pixels | None
    variants: list[Pixels]


class Decoded(NamedTuple):
    """By row of what was wanted: what was seen, or why the picture was refused."""

    seen: dict[int, Seen]
    refused: dict[int, str]


def decode_all(
    settings: Settings,
    wanted: Iterable[Wanted],
    spec: Preprocessing,
    store: PixelStore,
    seed: int,
    done: Callable[[], None],
) -> Decoded:
    """Decode all; what is kept goes into the store under its row, and `done` is called after every picture.

    Raises:
        OSError: the store's disk is full.
    """
    silence_pillow()
    work = _Work(msgspec.structs.replace(settings.images, any_file=True), spec, store, seed)
    return asyncio.run(_decode_all(settings, list(wanted), work, done))


class _Work(NamedTuple):
    images: ImageSettings
    spec: Preprocessing
    store: PixelStore
    seed: int

    def look(self, data: bytes, one: Wanted) -> tuple[Seen, Pixels | None]:
        """All that is computed of an encoded picture; raises ImageRejected."""
        image, pixels = decode_for(data, None, self.spec, self.images)
        fingerprint = picture_fingerprint(pixels)
        prepared = prepare_picture(data, None, self.spec, self.images)[0] if one.prepare else None
        variants = self._variants(data, one.picture.name) if one.vary else []
        if not one.keep:
            return Seen(fingerprint, prepared, variants), None
        factor = min(pixels.shape[:2]) // (MOST_SIDE * self.spec.size)
        return Seen(fingerprint, prepared, variants), np.array(image.reduce(2 * factor)) if factor else pixels

    def _variants(self, data: bytes, name: str) -> list[Pixels]:
        whole = decode_image(data, self.images.max_pixels)
        changed = [variant(whole, change, f"{self.seed}/{name}") for change in VARIANTS]
        return [prepare_picture(one, None, self.spec, self.images)[0] for one in changed]


async def _decode_all(settings: Settings, wanted: list[Wanted], work: _Work, done: Callable[[], None]) -> Decoded:
    decoded = Decoded({}, {})
    waiting = iter(enumerate(wanted))
    fetcher = catalog_fetcher(work.images, ImageStore(settings.image_store_path))

    async def take() -> None:
        for row, one in waiting:
            await _take(fetcher, work, row, one, decoded)
            done()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(wanted))):
                group.create_task(take())
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    finally:
        await fetcher.close()
    return decoded


async def _take(fetcher: SchemeFetcher, work: _Work, row: int, one: Wanted, decoded: Decoded) -> None:
    try:
        data = await fetcher.fetch(one.picture.ref)
        seen, pixels = await asyncio.to_thread(work.look, data, one)
    except ImageRejected as error:
        decoded.refused[row] = f"{one.picture.name}: {error.message}"
        return
    if pixels is not None:
        work.store.put(row, pixels)
    decoded.seen[row] = seen
