"""Which models there are, and loading the one the settings name."""

from embedder.models.base import Encoder
from embedder.models.fake import FakeEncoder
from embedder.models.histogram import HistogramEncoder
from schemas.errors import SettingsError
from schemas.settings import ModelSettings

MODEL_NAMES = ("fake", "histogram", "lookalive-small", "timm:<name>", "checkpoint")


def load_encoder(model: ModelSettings) -> Encoder:
    """The model these settings name, ready to encode; a timm model takes seconds, the first time a download.

    Raises:
        SettingsError: an unknown name, or weights that cannot be had.
    """
    if model.name.startswith("timm:") or model.name == "checkpoint":
        from embedder.models.timm_backbone import load_timm

        return load_timm(model.name, model.checkpoint, model.device)
    if model.name == "lookalive-small":
        from embedder.models.shipped import load_small

        return load_small(model.checkpoint, model.device)
    if model.name == "fake":
        return FakeEncoder()
    if model.name == "histogram":
        return HistogramEncoder()
    raise SettingsError(
        f"unknown model {model.name!r}; there are {', '.join(MODEL_NAMES)}", name="LOOKALIVE_MODEL__NAME"
    )
