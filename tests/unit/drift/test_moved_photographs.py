"""Real photographs: twenty orders of them are calm; blurred, grey, turned or of one other category they are not."""

import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from embedder.models.histogram import HistogramEncoder
from embedder.prepare import prepare_picture
from schemas.settings import ImageSettings

PHOTOGRAPHS = Path(__file__).parents[4] / "shared" / "data" / "clothing"
REFERENCE, CALM, MOVED = 500, 450, 450
OTHER = "pants"

pytestmark = [
    pytest.mark.skipif(
        not (PHOTOGRAPHS / "items.csv").is_file(), reason=f"no photographs at {PHOTOGRAPHS}: part skipped"
    ),
    pytest.mark.timeout(600),
]

Vectors = tuple[np.ndarray, np.ndarray]
CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(3)),
    "grey": lambda picture: ImageOps.grayscale(picture).convert("RGB"),
    "turned": lambda picture: picture.rotate(90, expand=True),
}


def encoded(paths: Iterable[Path], change: Callable[[Image.Image], Image.Image] | None = None) -> Vectors:
    """As the stream makes them, fp16 as the log keeps them."""
    encoder, vectors, lengths = HistogramEncoder(), [], []
    for path in paths:
        data = path.read_bytes()
        if change is not None:
            file = io.BytesIO()
            change(Image.open(path).convert("RGB")).save(file, "PNG", compress_level=1)
            data = file.getvalue()
        pixels, _ = prepare_picture(data, None, encoder.preprocessing, ImageSettings())
        made = encoder.encode(pixels[None])
        vectors.append(made.vectors[0].astype(np.float16))
        lengths.append(made.norms[0])
    return np.stack(vectors), np.array(lengths)


@pytest.fixture(scope="module")
def paths() -> dict[str, list[Path]]:
    """Photographs in a shuffled order: of all categories but one, and of that one."""
    with (PHOTOGRAPHS / "items.csv").open() as table:
        rows = list(csv.DictReader(table))
    np.random.default_rng(7).shuffle(rows)
    split: dict[str, list[Path]] = {"most": [], OTHER: []}
    for row in rows:
        split[OTHER if row["category"] == OTHER else "most"].append(PHOTOGRAPHS / row["image"])
    return split


@pytest.fixture(scope="module")
def calm(paths: dict[str, list[Path]]) -> Vectors:
    return encoded(paths["most"][: REFERENCE + CALM])


@pytest.mark.parametrize("seed", range(20))
def test_no_order_of_them_raises_an_alarm(seed: int, calm: Vectors, watched: Callable[..., Any]) -> None:
    vectors, lengths = calm
    order = np.random.default_rng(seed).permutation(len(vectors))
    looks = watched(vectors.shape[1]).feed(vectors[order], lengths[order])
    assert not [look for look in looks if look.judgement.alarms]
    assert looks[-1].judgement.state == "calm"


@pytest.mark.parametrize("how", [*CHANGES, OTHER])
def test_what_moves_is_found_within_500(
    how: str, calm: Vectors, paths: dict[str, list[Path]], watched: Callable[..., Any]
) -> None:
    worker = watched(calm[0].shape[1])
    worker.feed(*calm)
    assert worker.judged().state == "calm"
    fresh = paths[OTHER] if how == OTHER else paths["most"][REFERENCE + CALM :]
    assert len(fresh) >= MOVED
    looks = worker.feed(*encoded(fresh[:MOVED], CHANGES.get(how)))
    print(how, next((look.items for look in looks if look.judgement.alarms), None), looks[-1].judgement.alarms)
    assert "dimensions" in looks[-1].judgement.alarms
