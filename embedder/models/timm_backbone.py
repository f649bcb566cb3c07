"""Any timm backbone as a model, with the hub's weights or a checkpoint's, with or without a projection head.

torch is imported when a model is loaded.
"""

import hashlib
from contextlib import nullcontext
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from embedder.fingerprint import model_fingerprint
from embedder.models.base import Encoded, PictureBatch, unit_vectors
from embedder.models.checkpoint import CHECKPOINT_SETTING, CheckpointHeader, Tensors, read_checkpoint
from embedder.models.network import PREFIX, backbone_preprocessing, create_backbone, network_of
from embedder.preprocess import Preprocessing
from schemas.errors import SettingsError

CHECKPOINT = "checkpoint"
"""The name of a model whose checkpoint says what it is."""


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
    """The model named `timm:<name>`, with the checkpoint's weights, or the hub's where `checkpoint` is empty; the one
    named `checkpoint` is whatever the checkpoint says it is.

    Raises:
        SettingsError: unknown to timm, weights that cannot be had or do not fit, or a device that is not there.
    """
    where = torch_device(device)
    if checkpoint:
        header, tensors = read_checkpoint(checkpoint)
        backbone_name = _backbone_name(name, header, checkpoint)
        network, preprocessing = network_of(backbone_name, header, tensors, checkpoint)
        return TimmEncoder(PREFIX + backbone_name, network, preprocessing, where)
    if name == CHECKPOINT:
        raise SettingsError(f"the model `{CHECKPOINT}` needs a file: set {CHECKPOINT_SETTING}", name=CHECKPOINT_SETTING)
    backbone = create_backbone(name.removeprefix(PREFIX), pretrained=True)
    return TimmEncoder(name, backbone, backbone_preprocessing(backbone), where)


def _backbone_name(name: str, header: CheckpointHeader | None, checkpoint: str) -> str:
    if name == CHECKPOINT and header is None:
        raise SettingsError(
            f"{checkpoint} does not say what it is of: set LOOKALIVE_MODEL__NAME to timm:<its backbone>", name=name
        )
    if header is None:
        return name.removeprefix(PREFIX)
    if name not in (CHECKPOINT, PREFIX + header.backbone):
        raise SettingsError(
            f"{checkpoint} has weights of {PREFIX}{header.backbone}, not of {name}: set LOOKALIVE_MODEL__NAME to that, "
            f"or to `{CHECKPOINT}`",
            name=name,
        )
    return header.backbone


def torch_device(wanted: str) -> str:
    """`cpu` or `cuda`; raises SettingsError where it is not there."""
    import torch

    if wanted not in {"auto", "cpu", "cuda"}:
        raise SettingsError(f"unknown device {wanted!r}: auto, cpu or cuda", name="LOOKALIVE_MODEL__DEVICE")
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise SettingsError("no CUDA device is there; set LOOKALIVE_MODEL__DEVICE=auto or cpu", device=wanted)
    return "cuda" if there and wanted != "cpu" else "cpu"


def _weights_digest(tensors: Tensors) -> bytes:
    """A digest over the tensors' names, shapes, types and bytes, in the order of their names."""
    import torch

    digest = hashlib.blake2b(digest_size=32)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype};".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.digest()
