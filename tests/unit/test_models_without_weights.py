"""What the models that need no weights promise: the same vector always, near ones for near pictures."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from embedder.decode import decode_image
from embedder.models.base import Encoder, unit_vectors
from embedder.models.registry import MODEL_NAMES, load_encoder
from embedder.preprocess import preprocess
from schemas.errors import SettingsError
from schemas.settings import ModelSettings

FINGERPRINTS = {"fake": "4f4314e8b4f90584", "histogram": "acbf30b9ea79dcae"}
VECTORS = {
    "fake": [0.3860798, -0.0572122, 0.2902722, -0.1277645, 0.1153653, -0.0216283],
    "histogram": [-0.0367746, -0.0362399, 0.0909415, 0.0069268, 0.003054, 0.0],
}
NORMS = {"fake": 6860919.0, "histogram": 1.0}


@pytest.fixture(params=["fake", "histogram"], scope="module")
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return load_encoder(ModelSettings(name=request.param))


def goods(seed: int) -> Image.Image:
    """A drawn thing: a coloured shape with a stripe on a light ground."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (240, 200), tuple(int(v) for v in rng.integers(200, 256, 3)))
    draw = ImageDraw.Draw(image)
    x, y = (int(v) for v in rng.integers(20, 90, 2))
    shape = (draw.ellipse, draw.rectangle, draw.rounded_rectangle)[seed % 3]
    shape((x, y, x + 60 + seed % 70, y + 50 + seed % 50), fill=tuple(int(v) for v in rng.integers(0, 200, 3)))
    draw.line((x, y, x + 90, y + 60), fill=tuple(int(v) for v in rng.integers(0, 256, 3)), width=5)
    return image


def vectors_of(encoder: Encoder, images: list[Image.Image]) -> np.ndarray:
    batch = np.stack([preprocess(np.asarray(image), encoder.preprocessing) for image in images])
    return encoder.encode(batch).vectors


def test_vectors_are_unit_vectors_of_the_stated_dimension(encoder: Encoder) -> None:
    images = [goods(seed) for seed in range(7)]
    batch = np.stack([preprocess(np.asarray(image), encoder.preprocessing) for image in images])
    vectors, norms = encoder.encode(batch)
    assert vectors.dtype == norms.dtype == np.float32
    assert vectors.shape == (7, encoder.dimension)
    assert norms.shape == (7,)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    assert np.all(norms > 0)


def test_no_pictures_give_no_vectors(encoder: Encoder) -> None:
    size = encoder.preprocessing.size
    assert encoder.encode(np.empty((0, size, size, 3), dtype=np.uint8)).vectors.shape == (0, encoder.dimension)


def test_a_batch_gives_the_very_bits_of_one_by_one(encoder: Encoder) -> None:
    images = [goods(seed) for seed in range(9)]
    together = vectors_of(encoder, images)
    alone = np.concatenate([vectors_of(encoder, [image]) for image in images])
    np.testing.assert_array_equal(together, alone)
    again = load_encoder(ModelSettings(name=encoder.name))
    np.testing.assert_array_equal(vectors_of(again, images), together)
    assert again.fingerprint == encoder.fingerprint


def test_different_pictures_have_different_vectors(encoder: Encoder) -> None:
    vectors = vectors_of(encoder, [goods(seed) for seed in range(200)]).astype(np.float16)
    assert len({row.tobytes() for row in vectors}) == 200


@pytest.mark.parametrize("way", ["again as JPEG", "half as large", "a little cropped", "a little darker"])
def test_an_altered_picture_finds_itself_first(encoder: Encoder, way: str) -> None:
    images = [goods(seed) for seed in range(60)]
    index = vectors_of(encoder, images)
    queries = vectors_of(encoder, [altered(image, way) for image in images])
    assert np.argmax(queries @ index.T, axis=1).tolist() == list(range(60))


def altered(image: Image.Image, way: str) -> Image.Image:
    if way == "half as large":
        return image.resize((image.width // 2, image.height // 2))
    if way == "a little cropped":
        return image.crop((4, 4, image.width - 4, image.height - 4))
    if way == "a little darker":
        return image.point(lambda value: int(value * 0.96))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=60)
    return Image.fromarray(decode_image(out.getvalue(), 1_000_000))


@pytest.mark.parametrize("value", [0, 127, 128, 255])
def test_even_one_colour_has_a_vector(encoder: Encoder, value: int) -> None:
    size = encoder.preprocessing.size
    vectors, norms = encoder.encode(np.full((1, size, size, 3), value, dtype=np.uint8))
    assert np.isfinite(vectors).all()
    assert norms[0] > 0


def test_a_fingerprint_is_not_changed_by_accident(encoder: Encoder) -> None:
    """A new fingerprint makes every installation embed its catalogue again: change it here only on purpose."""
    assert encoder.fingerprint == FINGERPRINTS[encoder.name]


def test_vectors_are_not_changed_by_accident(encoder: Encoder) -> None:
    """The same pixels must keep their vector as long as the fingerprint is the same, here and on every machine."""
    size = encoder.preprocessing.size
    y, x, channel = np.indices((size, size, 3))
    pixels = ((x * 7 + y * y * 3 + channel * 41) // 4 % 256).astype(np.uint8)
    vectors, norms = encoder.encode(pixels[None])
    np.testing.assert_allclose(vectors[0, :: encoder.dimension // 6][:6], VECTORS[encoder.name], atol=1e-6)
    np.testing.assert_allclose(norms[0], NORMS[encoder.name], rtol=1e-6)


def test_colour_and_shape_both_count_for_the_histogram() -> None:
    encoder = load_encoder(ModelSettings(name="histogram"))

    def thing(shape: str, colour: str) -> Image.Image:
        image = Image.new("RGB", (128, 128), "white")
        draw = ImageDraw.Draw(image)
        (draw.ellipse if shape == "round" else draw.rectangle)((30, 30, 98, 98), fill=colour)
        return image

    red_round, *others = vectors_of(
        encoder, [thing("round", "red"), thing("round", "blue"), thing("square", "red"), thing("square", "blue")]
    )
    same_shape, same_colour, nothing_same = (float(red_round @ other) for other in others)
    assert min(same_shape, same_colour) > nothing_same
    assert max(same_shape, same_colour) < 0.999


def test_an_unknown_model_names_those_there_are() -> None:
    with pytest.raises(SettingsError) as caught:
        load_encoder(ModelSettings(name="histogramm"))
    assert all(name in caught.value.message for name in MODEL_NAMES)


def test_rows_without_a_length_are_left_and_said() -> None:
    vectors, norms = unit_vectors(np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]]))
    np.testing.assert_allclose(vectors[0], [0.6, 0.8], rtol=1e-6)
    assert norms[:2].tolist() == [5.0, 0.0]
    assert not np.isfinite(norms[2:]).any()
