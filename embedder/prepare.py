"""Preparing: an encoded picture as the model takes it, or the reason why it is not taken."""

import numpy as np
from PIL import Image

from embedder.decode import Pixels, decode_picture
from embedder.fingerprint import picture_fingerprint
from embedder.preprocess import Preprocessing, draft_side, preprocess, preprocess_image
from embedder.quality import check_quality
from schemas.errors import ImageRejected
from schemas.queries import Crop
from schemas.settings import ImageSettings


def prepare_picture(data: bytes, crop: Crop | None, spec: Preprocessing, images: ImageSettings) -> tuple[Pixels, bytes]:
    """An encoded picture as the model takes it, uint8 (size, size, 3), and its fingerprint.

    Raises:
        ImageRejected: it is no picture, too large, broken or blank.
        InputError: the crop is not inside the picture.
    """
    image, pixels = decode_for(data, crop, spec, images)
    prepared = preprocess_image(image, spec) if crop is None else preprocess(pixels, spec, crop)
    return prepared, picture_fingerprint(pixels)


def decode_for(
    data: bytes, crop: Crop | None, spec: Preprocessing, images: ImageSettings
) -> tuple[Image.Image, Pixels]:
    """An encoded picture that is taken, as large as its preparation needs it, twice: as Pillow and as numpy have it.

    Raises:
        ImageRejected, InputError: as `prepare_picture`.
    """
    if len(data) > images.max_bytes:
        raise ImageRejected(
            f"{len(data)} bytes are more than the {images.max_bytes} a picture may have", code="image_too_large"
        )
    image = decode_picture(data, images.max_pixels, draft_side(spec, crop, images.min_side))
    pixels = np.array(image)
    check_quality(pixels, images.min_side)
    return image, pixels
