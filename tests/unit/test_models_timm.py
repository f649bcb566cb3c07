"""A timm backbone with a checkpoint of random weights: loading, projecting, refusing what does not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedder.models.registry import load_encoder
from embedder.preprocess import Preprocessing
from schemas.errors import SettingsError
from schemas.settings import ModelSettings

NAME = "timm:test_vit"


@pytest.fixture(scope="module")
def weights() -> dict[str, Any]:
    """Seeded random weights of the backbone, with its classifier."""
    import timm
    import torch

    torch.manual_seed(5)
    model = timm.create_model("test_vit", pretrained=False, num_classes=10)
    return {key: torch.randn_like(value) * 0.2 for key, value in model.state_dict().items()}


@pytest.fixture(scope="module")
def head(weights: dict[str, Any]) -> dict[str, Any]:
    import torch

    torch.manual_seed(6)
    width = weights["norm.weight"].shape[0]
    return {
        "projection.0.weight": torch.randn(96, width),
        "projection.0.bias": torch.randn(96),
        "projection.2.weight": torch.randn(512, 96),
        "projection.2.bias": torch.randn(512),
    }


@pytest.fixture(scope="module")
def pictures(weights: dict[str, Any]) -> np.ndarray:
    return np.random.default_rng(8).integers(0, 256, (5, 160, 160, 3), dtype=np.uint8)


def saved(folder: Path, tensors: dict[str, Any], name: str = "weights.safetensors") -> ModelSettings:
    from safetensors.torch import save_file

    save_file(tensors, folder / name)
    return ModelSettings(name=NAME, checkpoint=str(folder / name), device="cpu")


def test_a_checkpoint_gives_unit_vectors_batch_or_single(
    tmp_path: Path, weights: dict[str, Any], pictures: np.ndarray
) -> None:
    encoder = load_encoder(saved(tmp_path, weights))
    assert encoder.name == NAME
    vectors, norms = encoder.encode(pictures)
    assert vectors.dtype == norms.dtype == np.float32
    assert vectors.shape == (5, encoder.dimension) == (5, weights["norm.weight"].shape[0])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    alone = np.concatenate([encoder.encode(pictures[i : i + 1]).vectors for i in range(5)])
    np.testing.assert_allclose(vectors, alone, atol=1e-4)
    assert (vectors @ vectors.T)[0, 1] < 0.99999


def test_its_vectors_are_timms_own(tmp_path: Path, weights: dict[str, Any], pictures: np.ndarray) -> None:
    import timm
    import torch

    model = timm.create_model("test_vit", pretrained=False, num_classes=10).eval()
    model.load_state_dict(weights)
    config = model.pretrained_cfg
    mean, std = (torch.tensor(config[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.inference_mode():
        inputs = (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255 - mean) / std
        raw = model.forward_head(model.forward_features(inputs), pre_logits=True).numpy()
    vectors, norms = load_encoder(saved(tmp_path, weights)).encode(pictures)
    np.testing.assert_allclose(norms, np.linalg.norm(raw, axis=1), rtol=1e-4)
    np.testing.assert_allclose(vectors, raw / np.linalg.norm(raw, axis=1)[:, None], atol=1e-4)


def test_a_projection_head_follows_the_backbone(
    tmp_path: Path, weights: dict[str, Any], head: dict[str, Any], pictures: np.ndarray
) -> None:
    plain = load_encoder(saved(tmp_path, weights, "plain.safetensors"))
    prefixed = {f"backbone.{key}": value for key, value in weights.items()}
    projected = load_encoder(saved(tmp_path, prefixed | head))
    assert projected.dimension == 512
    encoded = plain.encode(pictures)
    features = encoded.vectors * encoded.norms[:, None]
    first, first_bias, second, second_bias = (value.numpy() for value in head.values())
    raw = np.maximum(features @ first.T + first_bias, 0) @ second.T + second_bias
    wanted = raw / np.linalg.norm(raw, axis=1)[:, None]
    np.testing.assert_allclose(projected.encode(pictures).vectors, wanted, atol=1e-4)


def test_the_preprocessing_is_the_models_own(tmp_path: Path, weights: dict[str, Any]) -> None:
    assert load_encoder(saved(tmp_path, weights)).preprocessing == Preprocessing(
        size=160,
        resize="centre",
        interpolation="bicubic",
        crop_share=0.95,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )


def test_the_fingerprint_follows_the_weights_not_the_file(
    tmp_path: Path, weights: dict[str, Any], head: dict[str, Any]
) -> None:
    backbone = {key: value for key, value in weights.items() if not key.startswith("head.")}
    prefixed = {f"backbone.{key}": value for key, value in backbone.items()}
    changed = dict(backbone) | {"norm.bias": backbone["norm.bias"] + 1e-3}
    prints = [
        load_encoder(saved(tmp_path, tensors, f"{index}.safetensors")).fingerprint
        for index, tensors in enumerate((weights, backbone, prefixed, changed, backbone | head))
    ]
    assert prints[0] == prints[1] == prints[2]
    assert len(set(prints)) == 3


@pytest.mark.parametrize("damage", ["missing", "unknown", "shape", "half a head", "head of another width"])
def test_weights_of_another_model_are_refused(
    tmp_path: Path, weights: dict[str, Any], head: dict[str, Any], damage: str
) -> None:
    import torch

    tensors = dict(weights)
    if damage == "missing":
        del tensors["norm.bias"]
    elif damage == "unknown":
        tensors["neck.weight"] = torch.zeros(3)
    elif damage == "shape":
        tensors["norm.bias"] = torch.zeros(3)
    elif damage == "half a head":
        tensors |= {key: value for key, value in head.items() if key.startswith("projection.0")}
    else:
        tensors |= head | {"projection.0.weight": torch.zeros(96, 7)}
    with pytest.raises(SettingsError, match=r"weights\.safetensors"):
        load_encoder(saved(tmp_path, tensors))


@pytest.mark.parametrize("content", [None, b"not safetensors"])
def test_a_checkpoint_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"model\.safetensors"):
        load_encoder(ModelSettings(name=NAME, checkpoint=str(path)))


def test_weights_that_cannot_be_downloaded_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    create = timm.create_model

    def offline(name: str, *, pretrained: bool, **options: Any) -> Any:
        if pretrained:
            raise OSError("no route to host")
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(SettingsError, match="LOOKALIVE_MODEL__CHECKPOINT"):
        load_encoder(ModelSettings(name=NAME))


def test_a_model_timm_does_not_know() -> None:
    with pytest.raises(SettingsError, match="no model 'no_such_net'"):
        load_encoder(ModelSettings(name="timm:no_such_net"))


@pytest.mark.parametrize(("device", "message"), [("gpu", "unknown device"), ("cuda", "no CUDA")])
def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch, device: str, message: str) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SettingsError, match=message):
        load_encoder(ModelSettings(name=NAME, device=device))


def test_a_device_out_of_memory_is_a_memory_error(
    tmp_path: Path, weights: dict[str, Any], pictures: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    encoder = load_encoder(saved(tmp_path, weights))

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("torch.nn.functional.linear", full)
    with pytest.raises(MemoryError, match="5 pictures"):
        encoder.encode(pictures)
