"""Where and how a network computes while it is trained: device, precision, memory layout."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from embedder.models.base import Float32Array, PictureBatch, unit_vectors
from embedder.preprocess import Preprocessing

EMBED_BATCH = 128


class TrainingDevice:
    """A device, with bfloat16 for what is safe in it where the device computes that faster.

    bfloat16 has the range of float32, so losses need no scaling (Kalamkar et al., "A study of bfloat16 for deep
    learning training", 2019); weights, their averages and the losses stay in float32.
    """

    def __init__(self, where: str, preprocessing: Preprocessing, mixed: bool | None = None) -> None:
        """`where` is cpu or cuda; `mixed` None decides by the device."""
        import torch

        self.where = where
        self.mixed = _knows_bfloat16(where) if mixed is None else mixed
        self._mean = torch.tensor(preprocessing.mean, device=where).view(1, 3, 1, 1)
        self._std = torch.tensor(preprocessing.std, device=where).view(1, 3, 1, 1)

    def take(self, network: Any) -> Any:
        """The network on the device, its pictures and filters with channels last."""
        import torch

        return network.to(self.where, memory_format=torch.channels_last)

    def precision(self) -> AbstractContextManager[Any]:
        """What the network's forward pass runs in."""
        import torch

        return torch.autocast(self.where, dtype=torch.bfloat16) if self.mixed else nullcontext()

    def pictures(self, batch: PictureBatch) -> Any:
        """Prepared uint8 pictures (n, size, size, 3) as the network takes them, (n, 3, size, size) normalised."""
        import torch

        there = torch.from_numpy(batch)
        if self.where == "cuda":
            there = there.pin_memory().to(self.where, non_blocking=True)
        return (there.permute(0, 3, 1, 2).float() / 255.0 - self._mean) / self._std

    def embed(self, network: Any, batch: PictureBatch) -> Float32Array:
        """Unit vectors (n, dimension) of a network in evaluation mode; its mode is put back."""
        import torch

        parts = []
        with torch.inference_mode(), evaluating(network), self.precision():
            for start in range(0, len(batch), EMBED_BATCH):
                raw = network(self.pictures(batch[start : start + EMBED_BATCH]))
                parts.append(raw.float().cpu().numpy())
        return unit_vectors(np.concatenate(parts)).vectors


@contextmanager
def evaluating(network: Any) -> Iterator[None]:
    """The network in evaluation mode for a while."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


def _knows_bfloat16(where: str) -> bool:
    """On a CPU only where its instructions have it: elsewhere it is computed the long way round."""
    import torch

    if where == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
