"""Thumbnails: a picture decoded as the embedder decodes it, made smaller, and always encoded anew."""

import io

from PIL import Image

from embedder.decode import decode_image

SIZES = (64, 128, 256, 512, 1024, 2048)
CONTENT_TYPE = "image/jpeg"
QUALITY = 85
# Part of every entity tag: other bytes come of the same picture when this file changes.
ENCODING = "jpeg-1"


def make_thumbnail(data: bytes, size: int, max_pixels: int) -> bytes:
    """The picture as a JPEG whose longer side has at most `size` pixels; a smaller one is not made larger.

    Nothing of the original bytes is passed on: no metadata, and nothing hidden behind a picture.

    Raises:
        ImageRejected: as `embedder.decode.decode_image`.
    """
    image = Image.fromarray(decode_image(data, max_pixels, draft_side=size))
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()
