"""Any timm backbone as a model, with the hub's weights or a checkpoint's, with or without a projection head.

A checkpoint is a .safetensors file: timm's tensors, bare or under `backbone.`, and optionally a head of two dense
layers with a ReLU between them under `projection.0.` and `projection.2.`. torch is imported when a model is loaded.
"""

import hashlib
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from embedder.fingerprint import model_fingerprint
from embedder.models.base import Encoded, PictureBatch, unit_vectors
from embedder.preprocess import Interpolation, Preprocessing, Resize
from schemas.errors import SettingsError

PREFIX = "timm:"
CHECKPOINT_SETTING = "LOOKALIVE_MODEL__CHECKPOINT"
_RESIZES: dict[str, Resize] = {"center": "centre", "squash": "squash", "border": "letterbox"}
_INTERPOLATIONS = {"bicubic", "bilinear", "nearest", "lanczos", "box"}
_HEAD_KEYS = {"projection.0.weight", "projection.0.bias", "projection.2.weight", "projection.2.bias"}

Tensors = dict[str, Any]


class TimmEncoder:
    """A timm model in evaluation mode; bfloat16 on CUDA, float32 elsewhere."""

    def __init__(self, name: str, network: Any, preprocessing: Preprocessing, device: str) -> None:
        """`network` takes float32 pictures (n, 3, size, size), normalised, and gives (n, dimension)."""
        import torch

        self.name = name
        self.preprocessing = preprocessing
        self.fingerprint = model_fingerprint(name, _weights_digest(network.state_dict()), preprocessing)
        self._torch = torch
        self._device = device
        self._network = network.to(device).eval()
        self._mean = torch.tensor(preprocessing.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(preprocessing.std, device=device).view(1, 3, 1, 1)
        size = preprocessing.size
        self.dimension = self._forward(np.zeros((1, size, size, 3), dtype=np.uint8)).shape[1]

    def encode(self, batch: PictureBatch) -> Encoded:
        """See `Encoder.encode`."""
        try:
            return unit_vectors(self._forward(batch))
        except self._torch.OutOfMemoryError as error:
            self._torch.cuda.empty_cache()
            raise MemoryError(f"{len(batch)} pictures are too many for {self._device}: {error}") from error

    def _forward(self, batch: PictureBatch) -> npt.NDArray[np.float32]:
        torch = self._torch
        fast = torch.autocast("cuda", dtype=torch.bfloat16) if self._device == "cuda" else nullcontext()
        with torch.inference_mode(), fast:
            pictures = torch.from_numpy(batch).to(self._device).permute(0, 3, 1, 2).float() / 255.0
            raw = self._network((pictures - self._mean) / self._std)
            return cast("npt.NDArray[np.float32]", raw.float().cpu().numpy())


def load_timm(name: str, checkpoint: str, device: str) -> TimmEncoder:
    """The model named `timm:<name>`, with the checkpoint's weights, or the hub's where `checkpoint` is empty.

    Raises:
        SettingsError: unknown to timm, weights that cannot be had or do not fit, or a device that is not there.
    """
    where = _device(device)
    tensors = _read_checkpoint(checkpoint) if checkpoint else None
    backbone = _create_backbone(name.removeprefix(PREFIX), pretrained=tensors is None)
    preprocessing = _preprocessing_of(backbone)
    network = backbone
    if tensors is not None:
        head = {key: tensors.pop(key) for key in list(tensors) if key.startswith("projection.")}
        _load_backbone(backbone, tensors, checkpoint)
        network = _with_head(backbone, head, checkpoint)
    return TimmEncoder(name, network, preprocessing, where)


def _device(wanted: str) -> str:
    import torch

    if wanted not in {"auto", "cpu", "cuda"}:
        raise SettingsError(f"unknown device {wanted!r}: auto, cpu or cuda", name="LOOKALIVE_MODEL__DEVICE")
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise SettingsError("no CUDA device is there; set LOOKALIVE_MODEL__DEVICE=auto or cpu", device=wanted)
    return "cuda" if there and wanted != "cpu" else "cpu"


def _create_backbone(name: str, *, pretrained: bool) -> Any:
    import timm

    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0)
    except Exception as error:
        if not timm.is_model(name) and ":" not in name:
            raise SettingsError(f"timm has no model {name!r}", model=name) from error
        raise SettingsError(
            f"the weights of timm:{name} cannot be had from the hub ({error}); put them on this machine as a "
            f".safetensors file and name it in {CHECKPOINT_SETTING}, or use the model `histogram`",
            model=name,
        ) from error


def _preprocessing_of(backbone: Any) -> Preprocessing:
    """timm's own evaluation transform of this model (its data config), in our words."""
    from timm.data import resolve_model_data_config

    config = resolve_model_data_config(backbone)
    _, height, width = config["input_size"]
    if height != width:
        raise SettingsError(f"only square inputs are supported, not {width} x {height}")
    interpolation = config["interpolation"] if config["interpolation"] in _INTERPOLATIONS else "bilinear"
    return Preprocessing(
        size=height,
        resize=_RESIZES[config["crop_mode"]],
        interpolation=cast("Interpolation", interpolation),
        crop_share=float(config["crop_pct"]),
        mean=_three(config["mean"]),
        std=_three(config["std"]),
    )


def _three(channels: Any) -> tuple[float, float, float]:
    red, green, blue = map(float, channels)
    return (red, green, blue)


def _read_checkpoint(checkpoint: str) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(Path(checkpoint))
    except (OSError, SafetensorError) as error:
        raise SettingsError(
            f"{CHECKPOINT_SETTING}: {checkpoint} is no readable .safetensors file: {error}", checkpoint=checkpoint
        ) from error
    return {key.removeprefix("backbone."): tensor for key, tensor in tensors.items()}


def _load_backbone(backbone: Any, tensors: Tensors, checkpoint: str) -> None:
    """Every tensor of the backbone must be there; a classifier that is there too is left out."""
    classifier = backbone.pretrained_cfg.get("classifier") or ()
    layers = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    try:
        missing, unexpected = backbone.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise SettingsError(f"the weights in {checkpoint} are not this model's: {error}") from error
    unknown = [key for key in unexpected if not key.startswith(tuple(f"{layer}." for layer in layers))]
    if missing or unknown:
        raise SettingsError(
            f"the weights in {checkpoint} are not this model's: {len(missing)} tensors are missing, {len(unknown)} "
            "are unknown",
            missing=missing[:5],
            unknown=unknown[:5],
        )


def _with_head(backbone: Any, head: Tensors, checkpoint: str) -> Any:
    """The backbone followed by the checkpoint's projection, if it has one."""
    from torch import nn

    if not head:
        return backbone
    if set(head) != _HEAD_KEYS:
        raise SettingsError(
            f"the projection head in {checkpoint} must have {sorted(_HEAD_KEYS)}, not {sorted(head)}",
            checkpoint=checkpoint,
        )
    hidden, width = head["projection.0.weight"].shape
    projection = nn.Sequential(
        nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, head["projection.2.weight"].shape[0])
    )
    if width != backbone.num_features:
        raise SettingsError(
            f"the projection head in {checkpoint} takes {width} numbers, but the backbone gives "
            f"{backbone.num_features}",
            checkpoint=checkpoint,
        )
    try:
        projection.load_state_dict({key.removeprefix("projection."): tensor for key, tensor in head.items()})
    except RuntimeError as error:
        raise SettingsError(f"the projection head in {checkpoint} does not fit: {error}") from error
    return nn.Sequential(backbone, projection)


def _weights_digest(tensors: Tensors) -> bytes:
    """A digest over the tensors' names, shapes, types and bytes, in the order of their names."""
    import torch

    digest = hashlib.blake2b(digest_size=32)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype};".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.digest()
