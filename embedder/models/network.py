"""Networks: a timm backbone, with or without a projection of two dense layers behind it.

The tensors of a backbone alone are timm's own; with a projection they stand under `backbone.` and `projection.`.
"""

from typing import Any, cast

from embedder.models.checkpoint import CHECKPOINT_SETTING, CheckpointHeader, Tensors
from embedder.preprocess import Interpolation, Preprocessing, Resize
from schemas.errors import SettingsError

PREFIX = "timm:"
_RESIZES: dict[str, Resize] = {"center": "centre", "squash": "squash", "border": "letterbox"}
_INTERPOLATIONS = {"bicubic", "bilinear", "nearest", "lanczos", "box"}
_HEAD_KEYS = {"projection.0.weight", "projection.0.bias", "projection.2.weight", "projection.2.bias"}

Network = Any
"""A torch module from normalised float32 pictures (n, 3, size, size) to (n, dimension)."""


def create_backbone(name: str, *, pretrained: bool, size: int | None = None, drop_path: float = 0.0) -> Network:
    """timm's model `name` without its classifier; `size` is for networks that are built for one.

    Raises:
        SettingsError: unknown to timm, weights that cannot be had, or options that this model does not take.
    """
    import timm

    if not timm.is_model(name) and ":" not in name:
        raise SettingsError(f"timm has no model {name!r}", model=name)
    options: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
    if size is not None and timm.is_model(name) and timm.get_pretrained_cfg_value(name, "fixed_input_size"):
        options["img_size"] = size
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, **options)
    except TypeError as error:
        raise SettingsError(f"timm:{name} does not take {', '.join(options)}: {error}", model=name) from error
    except Exception as error:
        raise SettingsError(
            f"the weights of timm:{name} cannot be had from the hub ({error}); put them on this machine as a "
            f".safetensors file and name it in {CHECKPOINT_SETTING}, or use the model `histogram`",
            model=name,
        ) from error


def backbone_preprocessing(backbone: Network, size: int | None = None) -> Preprocessing:
    """timm's own evaluation transform of this model (its data config), in our words; at another size, where given."""
    from timm.data import resolve_model_data_config

    config = resolve_model_data_config(backbone)
    _, height, width = config["input_size"]
    if size is None and height != width:
        raise SettingsError(f"only square inputs are supported, not {width} x {height}")
    interpolation = config["interpolation"] if config["interpolation"] in _INTERPOLATIONS else "bilinear"
    return Preprocessing(
        size=size or height,
        resize=_RESIZES[config["crop_mode"]],
        interpolation=cast("Interpolation", interpolation),
        crop_share=float(config["crop_pct"]),
        mean=_three(config["mean"]),
        std=_three(config["std"]),
    )


def backbone_width(backbone: Network, size: int) -> int:
    """How many numbers a picture of `size` becomes; what the backbone says of itself may be before its last layers."""
    import torch

    was_training = backbone.training
    with torch.inference_mode():
        width = int(backbone.eval()(torch.zeros(1, 3, size, size)).shape[1])
    backbone.train(was_training)
    return width


def with_projection(backbone: Network, width: int, hidden: int, dimension: int) -> Network:
    """The backbone followed by Dense-ReLU-Dense, as Chen et al., "A simple framework for contrastive learning" (2020);
    its output is the embedding, to be made a unit vector."""
    from collections import OrderedDict

    from torch import nn

    projection = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, dimension))
    return nn.Sequential(OrderedDict(backbone=backbone, projection=projection))


def network_of(
    name: str, header: CheckpointHeader | None, tensors: Tensors, path: str, drop_path: float = 0.0
) -> tuple[Network, Preprocessing]:
    """The network whose weights a checkpoint has, and how it wants its pictures; `name` is the backbone's.

    Raises:
        SettingsError: the tensors are of another network.
    """
    size = None if header is None else header.preprocessing.size
    backbone = create_backbone(name, pretrained=False, size=size, drop_path=drop_path)
    preprocessing = backbone_preprocessing(backbone) if header is None else header.preprocessing
    bare = {key.removeprefix("backbone."): tensor for key, tensor in tensors.items()}
    head = {key: bare.pop(key) for key in list(bare) if key.startswith("projection.")}
    _load_backbone(backbone, bare, path)
    return _with_head(backbone, head, path, preprocessing.size), preprocessing


def _three(channels: Any) -> tuple[float, float, float]:
    red, green, blue = map(float, channels)
    return (red, green, blue)


def _load_backbone(backbone: Network, tensors: Tensors, checkpoint: str) -> None:
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


def _with_head(backbone: Network, head: Tensors, checkpoint: str, size: int) -> Network:
    """The backbone followed by the checkpoint's projection, if it has one."""
    if not head:
        return backbone
    if set(head) != _HEAD_KEYS:
        raise SettingsError(
            f"the projection head in {checkpoint} must have {sorted(_HEAD_KEYS)}, not {sorted(head)}",
            checkpoint=checkpoint,
        )
    hidden, width = head["projection.0.weight"].shape
    given = backbone_width(backbone, size)
    if width != given:
        raise SettingsError(
            f"the projection head in {checkpoint} takes {width} numbers, but the backbone gives {given}",
            checkpoint=checkpoint,
        )
    network = with_projection(backbone, width, hidden, head["projection.2.weight"].shape[0])
    try:
        network.projection.load_state_dict({key.removeprefix("projection."): tensor for key, tensor in head.items()})
    except RuntimeError as error:
        raise SettingsError(f"the projection head in {checkpoint} does not fit: {error}") from error
    return network
