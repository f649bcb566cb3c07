"""Checkpoints: a .safetensors file of weights that says by itself which backbone and head they are of.

Its metadata has one entry, `lookalive`, a JSON document of `CheckpointHeader`. A file without it, as timm's users have
them, is read too; then the model's name must say what its tensors are of.
"""

from pathlib import Path
from typing import Any

import msgspec

from embedder.preprocess import Preprocessing
from schemas.errors import SettingsError

CHECKPOINT_SETTING = "LOOKALIVE_MODEL__CHECKPOINT"
ENTRY = "lookalive"

Tensors = dict[str, Any]
"""torch tensors by name."""


class CheckpointHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What the weights are of: a timm backbone, the widths of the projection's two layers (None without one), and how
    pictures were prepared. `recipe` is what made them, for people and for whoever makes them again."""

    version: int = 1
    backbone: str
    head: tuple[int, int] | None
    preprocessing: Preprocessing
    recipe: dict[str, Any] = {}


def read_checkpoint(path: str) -> tuple[CheckpointHeader | None, Tensors]:
    """The header, where there is one, and the tensors, on the CPU.

    Raises:
        SettingsError: no readable .safetensors file, or a header of a later version.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no mapping
    except (OSError, SafetensorError) as error:
        raise SettingsError(
            f"{CHECKPOINT_SETTING}: {path} is no readable .safetensors file: {error}", checkpoint=path
        ) from error
    return _header(metadata, path), tensors


def write_checkpoint(path: Path, header: CheckpointHeader, tensors: Tensors) -> int:
    """Write weights as fp16, aside and renamed; how many bytes they took.

    A tensor of floats that fp16 cannot hold (beyond 65,504) stays as it is, and so do whole numbers.

    Raises:
        OSError: the file cannot be written.
    """
    from safetensors.torch import save

    halves = {name: _halved(tensor).contiguous() for name, tensor in tensors.items()}
    data = save(halves, {ENTRY: msgspec.json.encode(header).decode()})
    aside = path.with_name(f"{path.name}.part")
    try:
        aside.write_bytes(data)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return len(data)


def _halved(tensor: Any) -> Any:
    import torch

    tensor = tensor.detach().cpu()
    if not tensor.dtype.is_floating_point:
        return tensor
    half = tensor.to(torch.float16)
    return half if torch.isfinite(half).all() else tensor


def _header(metadata: dict[str, str], path: str) -> CheckpointHeader | None:
    if ENTRY not in metadata:
        return None
    try:
        header = msgspec.json.decode(metadata[ENTRY], type=CheckpointHeader)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{CHECKPOINT_SETTING}: the header of {path} is broken: {error}") from error
    if header.version != 1:
        raise SettingsError(
            f"{CHECKPOINT_SETTING}: {path} is of version {header.version}, this lookalive reads version 1: update it"
        )
    return header
