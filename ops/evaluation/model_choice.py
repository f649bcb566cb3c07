"""Which model is meant: one named as in the settings, with or without a checkpoint, or that of a generation."""

import msgspec

from embedder.models.base import Encoder
from embedder.models.registry import load_encoder
from ops.endpoints import kafka_of
from schemas.cluster import Generation
from schemas.cluster_log import read_cluster
from schemas.errors import InputError, SettingsError
from schemas.settings import ModelSettings, Settings

GENERATION = "generation:"


class ModelChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A model to be loaded; `fingerprint` is what it must have, empty where any will do."""

    said: str
    settings: ModelSettings
    fingerprint: str = ""


def choose_model(text: str | None, settings: Settings) -> ModelChoice:
    """The model of a flag: NAME as LOOKALIVE_MODEL__NAME takes it, NAME=CHECKPOINT, or generation:NAME of the system
    that runs; None is the one in the settings. A name alone has the settings' checkpoint where it is their model's.

    Raises:
        InputError: there is no such generation.
        NotReady: a generation is named, and nothing runs.
    """
    ours = settings.model
    if text is None:
        return ModelChoice(said=ours.name, settings=ours)
    if text.startswith(GENERATION):
        generation = _generation(text.removeprefix(GENERATION), settings)
        model = _named(generation.model, settings)
        return ModelChoice(said=text, settings=model, fingerprint=generation.fingerprint)
    name, equals, checkpoint = text.partition("=")
    if not name or (equals and not checkpoint):
        raise InputError(f"a model is NAME, NAME=CHECKPOINT or {GENERATION}NAME, not {text!r}")
    model = _named(name, settings)
    return ModelChoice(said=text, settings=msgspec.structs.replace(model, checkpoint=checkpoint) if equals else model)


def load_choice(choice: ModelChoice) -> Encoder:
    """The model, loaded.

    Raises:
        SettingsError: there is no such model, its weights cannot be had, or they are not the generation's.
    """
    encoder = load_encoder(choice.settings)
    if choice.fingerprint not in ("", encoder.fingerprint):
        raise SettingsError(
            f"{choice.said} was made with {choice.settings.name} of the fingerprint {choice.fingerprint}, but here it "
            f"has {encoder.fingerprint}: set LOOKALIVE_MODEL__CHECKPOINT to the weights it was made with"
        )
    return encoder


def _named(name: str, settings: Settings) -> ModelSettings:
    """A `checkpoint` says only when it is loaded which backbone it has, so it may be that of any timm model."""
    ours = settings.model.name
    may_be = name == ours or (ours == "checkpoint" and name.startswith("timm:"))
    checkpoint = settings.model.checkpoint if may_be else ""
    return msgspec.structs.replace(settings.model, name=name, checkpoint=checkpoint)


def _generation(name: str, settings: Settings) -> Generation:
    generations = read_cluster(kafka_of(settings)).generations
    if name not in generations:
        raise InputError(f"there is no generation {name!r}; there are: {', '.join(sorted(generations)) or 'none'}")
    return generations[name]
