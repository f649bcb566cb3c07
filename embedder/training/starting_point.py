"""Where training begins: random weights, the hub's, or those of a checkpoint."""

import msgspec

from embedder.models.checkpoint import read_checkpoint
from embedder.models.network import (
    Network,
    backbone_preprocessing,
    backbone_width,
    create_backbone,
    network_of,
    with_projection,
)
from embedder.preprocess import Preprocessing
from embedder.training.recipe import Recipe
from schemas.errors import InputError

SCRATCH, HUB = "scratch", "hub"


def starting_network(recipe: Recipe) -> tuple[Network, Preprocessing]:
    """The recipe's network before its first step, and how pictures are prepared for it; the seed decides what is drawn.

    Raises:
        InputError: the checkpoint to start from is of another network.
        SettingsError: timm has no such backbone, or its weights cannot be had.
    """
    import torch

    torch.manual_seed(recipe.seed)
    if recipe.start in (SCRATCH, HUB):
        backbone = create_backbone(
            recipe.backbone, pretrained=recipe.start == HUB, size=recipe.size, drop_path=recipe.drop_path
        )
        network = backbone
        if recipe.hidden:
            width = backbone_width(backbone, recipe.size)
            network = with_projection(backbone, width, recipe.hidden, recipe.dimension)
        return network, _prepared_as(recipe, backbone_preprocessing(backbone, recipe.size))
    header, tensors = read_checkpoint(recipe.start)
    wanted = (recipe.hidden, recipe.dimension) if recipe.hidden else None
    if header is None or (header.backbone, header.head) != (recipe.backbone, wanted):
        of = "does not say what it is of" if header is None else f"is of {header.backbone} with the head {header.head}"
        raise InputError(
            f"--start {recipe.start} {of}; the recipe has {recipe.backbone} with the head {wanted}: name the same ones "
            "with --backbone, --hidden and --dimension"
        )
    network, preprocessing = network_of(recipe.backbone, header, tensors, recipe.start, recipe.drop_path)
    return network, _prepared_as(recipe, preprocessing)


def _prepared_as(recipe: Recipe, preprocessing: Preprocessing) -> Preprocessing:
    """As the recipe says, with the backbone's own colour scale; all of the picture is kept."""
    return msgspec.structs.replace(
        preprocessing, size=recipe.size, resize=recipe.resize, crop_share=1.0, interpolation="bilinear"
    )
