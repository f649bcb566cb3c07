"""Small pictures inside a page, so that it is one file and shows them anywhere."""

import asyncio
import base64
import io
from collections.abc import Iterable

import msgspec
from PIL import Image

from embedder.decode import decode_image, silence_pillow
from embedder.fetch import SchemeFetcher, catalog_fetcher
from embedder.image_store import ImageStore
from schemas.errors import ImageRejected
from schemas.settings import ImageSettings, Settings

SIDE = 112
QUALITY = 72
AT_ONCE = 8


def thumbnails(settings: Settings, refs: Iterable[str]) -> dict[str, str]:
    """JPEG `data:` URLs of pictures, at most 112 pixels a side, by their references; what is gone is left out."""
    images = msgspec.structs.replace(settings.images, any_file=True)
    silence_pillow()
    return asyncio.run(_all(images, settings, list(dict.fromkeys(refs))))


async def _all(images: ImageSettings, settings: Settings, refs: list[str]) -> dict[str, str]:
    fetcher = catalog_fetcher(images, ImageStore(settings.image_store_path))
    room = asyncio.Semaphore(AT_ONCE)
    try:
        made = await asyncio.gather(*(_one(fetcher, images, ref, room) for ref in refs))
    finally:
        await fetcher.close()
    return {ref: url for ref, url in zip(refs, made, strict=True) if url is not None}


async def _one(fetcher: SchemeFetcher, images: ImageSettings, ref: str, room: asyncio.Semaphore) -> str | None:
    async with room:
        try:
            data = await fetcher.fetch(ref)
            return await asyncio.to_thread(_thumbnail, data, images.max_pixels)
        except ImageRejected:
            return None


def _thumbnail(data: bytes, max_pixels: int) -> str:
    image = Image.fromarray(decode_image(data, max_pixels, 2 * SIDE))
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
