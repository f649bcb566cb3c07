"""Pictures made for tests: seeded, small, and all different."""

import base64
import io
import random

from PIL import Image, ImageDraw


def picture(seed: int | str, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """A picture of coloured shapes that only this seed gives; never one colour all over."""
    chance = random.Random(f"picture-{seed}")

    def colour() -> tuple[int, int, int]:
        return (chance.randrange(256), chance.randrange(256), chance.randrange(256))

    image = Image.new("RGB", size, colour())
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = chance.randrange(size[0]), chance.randrange(size[1])
        width, height = chance.randrange(4, size[0]), chance.randrange(4, size[1])
        shape = draw.ellipse if chance.random() < 0.5 else draw.rectangle
        shape((x, y, x + width, y + height), fill=colour())
    if all(low == high for low, high in image.getextrema()):
        # One in some thousand: the last shape covers all, and a blank picture would be refused.
        draw.rectangle((0, 0, size[0] // 2, size[1]), fill=colour())
    return image


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def data_url(image: Image.Image) -> str:
    """The picture as a data: URL."""
    return "data:image/png;base64," + base64.b64encode(encoded(image)).decode()
