"""`lookalive-small`, the model that comes with the project: its weights lie beside this module."""

from pathlib import Path

from embedder.models.timm_backbone import CHECKPOINT, TimmEncoder, load_timm
from schemas.errors import SettingsError

SMALL = "lookalive-small"
SMALL_PATH = Path(__file__).with_name("lookalive-small.safetensors")


def load_small(checkpoint: str, device: str) -> TimmEncoder:
    """The shipped model. It has the fingerprint of its file: under the name `checkpoint` that is the same space.

    Raises:
        SettingsError: a checkpoint is named beside it, the device is not there, or the file is not.
    """
    if checkpoint:
        raise SettingsError(
            f"{SMALL} has weights of its own, not {checkpoint}: name the model `{CHECKPOINT}` to use that file",
            checkpoint=checkpoint,
        )
    encoder = load_timm(CHECKPOINT, str(SMALL_PATH), device)
    encoder.name = SMALL
    return encoder
