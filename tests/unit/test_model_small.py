"""`lookalive-small` as it is shipped: it loads from the package alone, and is the model its card tells of."""

import fnmatch
import tomllib
from pathlib import Path

import msgspec
import numpy as np
import pytest

from embedder.models.base import Encoder
from embedder.models.registry import load_encoder
from embedder.models.shipped import SMALL, SMALL_PATH
from schemas.errors import SettingsError
from schemas.settings import ModelSettings

ROOT = Path(__file__).parents[2]
CARD = ROOT / "ops" / "docs" / "lookalive-small.md"
REPORT = ROOT / "ops" / "docs" / "lookalive-small.json"
MOST_BYTES = 12_000_000
FINGERPRINT = "e70d33a8fc02c225"
VECTOR = [0.0088737, 0.0133087, -0.0097459, 0.0126516, -0.011715, 0.0465604]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(ModelSettings(name=SMALL, device="cpu"))


def test_it_is_small_and_in_the_package() -> None:
    assert SMALL_PATH.stat().st_size < MOST_BYTES
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    inside = SMALL_PATH.relative_to(ROOT / "embedder").as_posix()
    assert any(fnmatch.fnmatch(inside, pattern) for pattern in declared["embedder"])


def test_a_fingerprint_is_not_changed_by_accident(encoder: Encoder) -> None:
    """A new fingerprint makes every installation embed its catalogue again: change it here only on purpose."""
    assert (encoder.name, encoder.dimension) == (SMALL, 512)
    assert encoder.fingerprint == FINGERPRINT


def test_the_card_and_the_report_are_of_this_file(encoder: Encoder) -> None:
    made = msgspec.json.decode(REPORT.read_bytes())["checkpoint"]
    assert made["fingerprint"] == encoder.fingerprint
    assert made["size_bytes"] == SMALL_PATH.stat().st_size
    card = CARD.read_text()
    assert encoder.fingerprint in card
    assert f"{made['parameters']:,} parameters" in card


def test_its_file_named_as_a_checkpoint_is_the_same_space(encoder: Encoder) -> None:
    named = load_encoder(ModelSettings(name="checkpoint", checkpoint=str(SMALL_PATH), device="cpu"))
    assert named.fingerprint == encoder.fingerprint


def test_another_file_beside_it_is_refused() -> None:
    with pytest.raises(SettingsError, match="weights of its own"):
        load_encoder(ModelSettings(name=SMALL, checkpoint="other.safetensors"))


def test_vectors_are_not_changed_by_accident(encoder: Encoder) -> None:
    """The same pixels must keep their vector as long as the fingerprint is the same."""
    size = encoder.preprocessing.size
    y, x, channel = np.indices((size, size, 3))
    pixels = ((x * 7 + y * y * 3 + channel * 41) // 4 % 256).astype(np.uint8)
    vectors, norms = encoder.encode(np.stack([pixels, pixels[::-1]]))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(vectors[0, ::86], VECTOR, atol=2e-4)
    assert norms[0] > 0
