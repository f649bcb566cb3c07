"""Decoding: from an encoded picture's bytes to RGB pixels, or to the reason why not."""

import io
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from schemas.errors import ImageRejected

Pixels = npt.NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""

_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Exif 2.3, tag 0x112: what brings a picture of this orientation upright."""


class _Format(NamedTuple):
    """A format that is read: how its bytes are known, and Pillow's reader of it."""

    name: str
    starts: Callable[[bytes], bool]
    reader: Callable[[io.BytesIO], ImageFile.ImageFile]


def _is_heic(head: bytes) -> bool:
    """The same container with the brands of HEIF's HEVC pictures (ISO/IEC 23008-12), as telephones write them."""
    return head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")


def _is_avif(head: bytes) -> bool:
    """An ISO media file whose brands say AVIF; HEIC has the same container."""
    brands = head[8 : int.from_bytes(head[:4], "big")]
    return head[4:8] == b"ftyp" and (b"avif" in brands or b"avis" in brands)


_FORMATS = (
    _Format("JPEG", lambda b: b.startswith(b"\xff\xd8\xff"), JpegImagePlugin.JpegImageFile),
    _Format("PNG", lambda b: b.startswith(b"\x89PNG\r\n\x1a\n"), PngImagePlugin.PngImageFile),
    _Format("WebP", lambda b: b.startswith(b"RIFF") and b[8:12] == b"WEBP", WebPImagePlugin.WebPImageFile),
    _Format("GIF", lambda b: b.startswith((b"GIF87a", b"GIF89a")), GifImagePlugin.GifImageFile),
    _Format(
        "BMP",
        lambda b: b.startswith(b"BM") and int.from_bytes(b[14:18], "little") in _BMP_HEADER_SIZES,
        BmpImagePlugin.BmpImageFile,
    ),
    _Format(
        "TIFF",
        lambda b: b.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
        TiffImagePlugin.TiffImageFile,
    ),
    _Format("AVIF", _is_avif, AvifImagePlugin.AvifImageFile),
)


def decode_image(data: bytes, max_pixels: int, draft_side: int | None = None) -> Pixels:
    """The pixels of `decode_picture`, (height, width, 3); raises as that does."""
    return np.array(decode_picture(data, max_pixels, draft_side))


def decode_picture(data: bytes, max_pixels: int, draft_side: int | None = None) -> Image.Image:
    """An encoded picture as it is meant to be seen: upright, on white, its first frame, 8-bit RGB.

    With `draft_side` a large JPEG is decoded at 1/2, 1/4 or 1/8 of its size (in the cosine domain, several times
    faster), its shorter side never under `draft_side`. The same bytes and arguments always give the same pixels.

    Raises:
        ImageRejected: `image_unsupported` for what is not one of the formats read, `image_too_large` when the header
            says more than `max_pixels` (before anything is decoded), `image_corrupt` for a broken picture.
    """
    try:
        image = _open(data)
        _check_pixels(image, max_pixels)
        if draft_side is not None and isinstance(image, JpegImagePlugin.JpegImageFile):
            image.draft(image.mode, (draft_side, draft_side))
        image.load()
        return _to_rgb(_upright(image))
    except (ImageRejected, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageRejected(f"the picture is too large: {error}", code="image_too_large") from error
    except Exception as error:
        raise ImageRejected(f"the picture is broken: {error or type(error).__name__}", code="image_corrupt") from error


def check_head(data: bytes, max_pixels: int) -> None:
    """Passes the beginning of a picture, or one whose beginning does not yet say how large it is.

    Raises:
        ImageRejected: `image_unsupported` for what is not one of the formats read, `image_too_large` when the header
            says more than `max_pixels`.
    """
    try:
        image = _open(data)
    except ImageRejected:
        raise
    except Exception:  # noqa: BLE001  cut off in the header, or broken: decoding all of it will say which
        return
    _check_pixels(image, max_pixels)


def silence_pillow() -> None:
    """Keeps Pillow's remarks on odd metadata out of the log; called once by whoever starts to decode.

    The filter is the process's own: `warnings.catch_warnings` is not safe with decoding threads.
    """
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.\w+")


def _open(data: bytes) -> ImageFile.ImageFile:
    """Only the header is read. The readers are called directly: `Image.open` would guess among all formats, and
    warns through process-wide state about sizes that are checked here."""
    if not data:
        raise ImageRejected("the picture has no bytes", code="image_corrupt")
    for known in _FORMATS:
        if known.starts(data[:64]):
            return known.reader(io.BytesIO(data))
    names = ", ".join(known.name for known in _FORMATS)
    if _is_heic(data[:64]):
        raise ImageRejected(f"HEIC is not read: export as JPEG ({names} are read)", code="image_unsupported")
    what = "an HTML or XML document" if data.lstrip()[:1] == b"<" else "unknown bytes"
    raise ImageRejected(f"{what}, not a picture: {names} are read", code="image_unsupported")


def _check_pixels(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise ImageRejected(
            f"{image.width} x {image.height} pixels are more than the {max_pixels} a picture may have",
            code="image_too_large",
            width=image.width,
            height=image.height,
            max_pixels=max_pixels,
        )


def _upright(image: Image.Image) -> Image.Image:
    """Read after loading: some formats carry Exif behind the pixels, and Pillow turns TIFFs itself while loading."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001  broken metadata of a whole picture: shown as it lies
        return image
    method = _TRANSPOSE.get(orientation)
    return image if method is None else image.transpose(method)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any of Pillow's modes as RGB. CMYK JPEGs need no inversion here: Pillow undoes Adobe's while loading."""
    if image.mode.startswith("I;16"):
        return Image.fromarray(_scale_16_bit(image)).convert("RGB")
    if image.mode in {"I", "F"}:
        return Image.fromarray(_scale_open_range(np.asarray(image))).convert("RGB")
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    layered = image.convert("RGBA")
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(layered, mask=layered.getchannel("A"))
    return white


def _scale_16_bit(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Rounded to 8 bits; a TIFF may use only 12 bits, or count from white to black."""
    values, top = np.asarray(image).astype(np.uint32), 65535
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        top = (1 << int(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (16,))[0])) - 1
        if image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0:
            values = top - np.minimum(values, top)
    return np.minimum((values * 255 + top // 2) // top, 255).astype(np.uint8)


def _scale_open_range(values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Integers and floats of 32 bits do not say what white is: the smallest usual range that holds them all."""
    grey = np.clip(np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0), 0.0, None)
    usual = (1.0, 255.0, 65535.0, 2.0**31 - 1) if values.dtype.kind == "f" else (255.0, 65535.0, 2.0**31 - 1)
    peak = float(grey.max(initial=0.0))
    top = next((limit for limit in usual if peak <= limit), peak)
    return np.rint(grey * (255.0 / top)).astype(np.uint8)
