"""Checkpoints: what is written is loaded again by its own word, and names one embedding space."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from embedder.models.checkpoint import CheckpointHeader, read_checkpoint, write_checkpoint
from embedder.models.registry import load_encoder
from embedder.preprocess import Preprocessing
from embedder.training.recipe import Recipe
from embedder.training.starting_point import starting_network
from schemas.errors import InputError, SettingsError
from schemas.settings import ModelSettings

SPEC = Preprocessing(size=40, resize="letterbox", mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.2))
HEADER = CheckpointHeader(backbone="test_resnet", head=(24, 16), preprocessing=SPEC, recipe={"epochs": 3})


@pytest.fixture(scope="module")
def network() -> Any:
    made, _ = starting_network(Recipe(backbone="test_resnet", size=40, hidden=24, dimension=16))
    return made.eval()


def written(folder: Path, tensors: Any, header: CheckpointHeader = HEADER, name: str = "own.safetensors") -> str:
    write_checkpoint(folder / name, header, tensors)
    return str(folder / name)


def loaded(path: str, name: str = "checkpoint") -> Any:
    return load_encoder(ModelSettings(name=name, checkpoint=path, device="cpu"))


def test_its_vectors_are_the_networks(tmp_path: Path, network: Any) -> None:
    encoder = loaded(written(tmp_path, network.state_dict()))
    assert (encoder.name, encoder.dimension, encoder.preprocessing) == ("timm:test_resnet", 16, SPEC)
    pictures = np.random.default_rng(1).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)
    scaled = (pictures / 255 - np.array(SPEC.mean)) / np.array(SPEC.std)
    with torch.inference_mode():
        raw = network(torch.from_numpy(scaled).permute(0, 3, 1, 2).float()).numpy()
    wanted = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode(pictures).vectors, wanted, atol=5e-3)  # weights are fp16 in the file


def test_header_and_tensors_come_back(tmp_path: Path, network: Any) -> None:
    tensors = dict(network.state_dict()) | {"extra.large": torch.tensor([1e6]), "extra.count": torch.tensor(7)}
    header, read = read_checkpoint(written(tmp_path, tensors))
    assert header == HEADER
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name].double(), tensors[name].half().double()) for name in network.state_dict())
    assert (read["extra.large"].dtype, float(read["extra.large"])) == (torch.float32, 1e6)
    assert int(read["extra.count"]) == 7
    assert [path.name for path in tmp_path.iterdir()] == ["own.safetensors"]


def test_the_fingerprint_follows_weights_and_preprocessing_alone(tmp_path: Path, network: Any) -> None:
    from msgspec.structs import replace

    tensors = network.state_dict()
    other = {name: tensor + 0.01 if name.endswith("2.bias") else tensor for name, tensor in tensors.items()}
    paths = [
        written(tmp_path, tensors),
        written(tmp_path, tensors, replace(HEADER, recipe={"epochs": 99}), "recipe.safetensors"),
        written(tmp_path, tensors, replace(HEADER, preprocessing=replace(SPEC, resize="squash")), "how.safetensors"),
        written(tmp_path, other, name="weights.safetensors"),
    ]
    prints = [loaded(path).fingerprint for path in paths]
    assert prints[0] == prints[1] == loaded(paths[0], "timm:test_resnet").fingerprint
    assert len(set(prints)) == 3


def test_the_name_must_be_that_of_its_backbone(tmp_path: Path, network: Any) -> None:
    path = written(tmp_path, network.state_dict())
    with pytest.raises(SettingsError, match=r"weights of timm:test_resnet, not of timm:test_vit"):
        loaded(path, "timm:test_vit")
    with pytest.raises(SettingsError, match="LOOKALIVE_MODEL__CHECKPOINT"):
        loaded("")


def test_a_file_that_does_not_say_what_it_is(tmp_path: Path, network: Any) -> None:
    from safetensors.torch import save_file

    save_file(network.state_dict(), tmp_path / "bare.safetensors")
    with pytest.raises(SettingsError, match="LOOKALIVE_MODEL__NAME"):
        loaded(str(tmp_path / "bare.safetensors"))
    assert loaded(str(tmp_path / "bare.safetensors"), "timm:test_resnet").dimension == 16


@pytest.mark.parametrize("entry", ["{", '{"version": 2, "backbone": "a", "head": null, "preprocessing": {"size": 8}}'])
def test_a_broken_or_later_header_is_refused(tmp_path: Path, entry: str) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "odd.safetensors", {"lookalive": entry})
    with pytest.raises(SettingsError, match=r"odd\.safetensors"):
        loaded(str(tmp_path / "odd.safetensors"))


def test_training_starts_from_one_of_the_same_network_only(tmp_path: Path, network: Any) -> None:
    path = written(tmp_path, network.state_dict())
    recipe = Recipe(backbone="test_resnet", start=path, size=32, hidden=24, dimension=16)
    started, spec = starting_network(recipe)
    assert (spec.size, spec.mean) == (32, SPEC.mean)
    for name, tensor in started.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name].half().to(tensor.dtype)), name
    with pytest.raises(InputError, match="--hidden"):
        starting_network(Recipe(backbone="test_resnet", start=path, hidden=24, dimension=32))
