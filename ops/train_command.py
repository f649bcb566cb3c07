"""`lookalive train`: a model of one's own, from pictures with categories, products or nothing but themselves."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.console import err, print_json, speak_aside, spoken_errors
from ops.evaluate_command import INTERRUPTED, Category, Group, JsonFlag, Share, Source, Split, SplitFlag
from schemas.errors import InputError

if TYPE_CHECKING:
    from embedder.training.recipe import Recipe
    from ops.training.plan import TrainingPlan
    from ops.training.report import TrainingReport
    from schemas.settings import Settings


class KeepFlagValue(StrEnum):
    """Which epoch's weights are kept."""

    BEST = "best"
    LAST = "last"


class ResizeFlagValue(StrEnum):
    """How a picture becomes a square."""

    SQUASH = "squash"
    CENTRE = "centre"
    LETTERBOX = "letterbox"


Out = Annotated[
    Path, typer.Option("--out", help="the checkpoint to write (.safetensors); its report beside it (.json)")
]
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", help="a recipe as JSON, as a report has it; flags go before it")
]
Backbone = Annotated[str | None, typer.Option(help="a timm model (resnet10t)")]
Start = Annotated[
    str | None, typer.Option(help="scratch, hub (timm's weights) or a checkpoint to go on from (scratch)")
]
Size = Annotated[int | None, typer.Option(min=32, max=1024, help="pixels a side that the model sees (128)")]
Resize = Annotated[ResizeFlagValue | None, typer.Option(help="how a picture becomes a square (squash)")]
Hidden = Annotated[int | None, typer.Option(min=0, max=8192, help="width of the head's first layer; 0: no head (512)")]
Dimension = Annotated[int | None, typer.Option(min=8, max=4096, help="numbers per picture (512)")]
Objectives = Annotated[
    list[str] | None,
    typer.Option(
        "--objective",
        help="POSITIVES:LOSS[:WEIGHT]; category, group or augmentation; supcon, infonce, proxy, triplet-semi-hard "
        "or triplet-hard; repeat (category:supcon, augmentation:infonce:0.5)",
    ),
]
Temperature = Annotated[float | None, typer.Option(min=0.01, max=10, help="of supcon, infonce and proxy (0.1)")]
Smoothing = Annotated[float | None, typer.Option(min=0.0, max=0.9, help="of the labels of proxy (0.1)")]
Margin = Annotated[
    float | None, typer.Option(min=0.0, max=4, help="of triplets, in distance (semi-hard: its square) (0.2)")
]
Kinds = Annotated[int | None, typer.Option(min=1, help="categories (or products) in a batch (10)")]
PerKind = Annotated[int | None, typer.Option(min=1, help="pictures of each of them (6)")]
Views = Annotated[int | None, typer.Option(min=1, max=16, help="views of each picture in a batch (2)")]
Epochs = Annotated[int | None, typer.Option(min=1, help="times that all pictures are seen (60)")]
LearningRate = Annotated[float | None, typer.Option(min=1e-7, max=10, help="the highest one, of AdamW (0.002)")]
WeightDecay = Annotated[float | None, typer.Option(min=0, max=10, help="of AdamW (0.05)")]
WarmupEpochs = Annotated[float | None, typer.Option(min=0, help="epochs until the highest learning rate (3)")]
DropPath = Annotated[float | None, typer.Option(min=0, max=0.9, help="share of residual branches left out (0)")]
Average = Annotated[
    float | None, typer.Option(min=0, max=0.99999, help="decay of the weights' average; 0: none (0.995)")
]
Keep = Annotated[KeepFlagValue | None, typer.Option(help="the weights of which epoch (best)")]
Augment = Annotated[
    list[str] | None, typer.Option("--augment", help="NAME=NUMBER of how views are made, as least_area=0.5; repeat")
]
RunSeed = Annotated[int | None, typer.Option(min=0, help="another one begins, draws and augments otherwise (1)")]
Seed = Annotated[int, typer.Option(min=0, help="which pictures are held out, as with evaluate")]
Validation = Annotated[
    float, typer.Option(min=0.0, max=0.9, help="of the pictures not held out judge the epochs; 0: none do")
]
Restart = Annotated[bool, typer.Option("--restart", help="begin anew where an earlier run was cut short")]


def train(
    source: Source,
    out: Out,
    recipe: RecipeFile = None,
    backbone: Backbone = None,
    start: Start = None,
    size: Size = None,
    resize: Resize = None,
    hidden: Hidden = None,
    dimension: Dimension = None,
    objectives: Objectives = None,
    temperature: Temperature = None,
    smoothing: Smoothing = None,
    margin: Margin = None,
    kinds: Kinds = None,
    per_kind: PerKind = None,
    views: Views = None,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    weight_decay: WeightDecay = None,
    warmup_epochs: WarmupEpochs = None,
    drop_path: DropPath = None,
    average: Average = None,
    keep: Keep = None,
    augment: Augment = None,
    run_seed: RunSeed = None,
    category: Category = "category",
    group: Group = "group_id",
    share: Share = 0.2,
    split: SplitFlag = Split.AUTO,
    seed: Seed = 1,
    validation: Validation = 0.1,
    restart: Restart = False,
    as_json: JsonFlag = False,
) -> None:
    """Train a model on SOURCE, without the pictures that `lookalive evaluate` holds out by the same flags."""
    flags = locals()
    from ops.cli import read_settings

    settings = read_settings()
    with spoken_errors(as_json):
        report = _run(settings, make_plan(flags))
    if as_json:
        print_json(report)
    else:
        from ops.training.report import show_report

        show_report(report)


def make_plan(flags: Mapping[str, Any]) -> "TrainingPlan":
    """The plan of the command's parameters, by their names.

    Raises:
        InputError: a flag or the recipe's file cannot be used, or nothing can be written where it is wanted.
    """
    from ops.training.plan import TrainingPlan

    own = {name: flags[name] for name in TrainingPlan.__struct_fields__ if name != "recipe"}
    plan = TrainingPlan(**own, recipe=make_recipe(flags))
    if plan.out.suffix != ".safetensors" or plan.out.is_dir() or not plan.out.absolute().parent.is_dir():
        raise InputError(f"--out {plan.out}: name a .safetensors file in a folder that is there")
    if plan.share >= 1:
        raise InputError("--share 1 holds everything out: nothing is left to train on")
    return plan


def make_recipe(flags: Mapping[str, Any]) -> "Recipe":
    """The recipe of --recipe, or the usual one, with what the flags say of it.

    Raises:
        InputError: the file is no recipe, or a flag cannot be understood.
    """
    import msgspec

    from embedder.training.recipe import Recipe, parse_objective

    recipe = Recipe() if flags["recipe"] is None else _read_recipe(flags["recipe"])
    said = {name: flags.get(name) for name in Recipe.__struct_fields__ if name not in ("seed", "augmentation")}
    said |= {"seed": flags["run_seed"], "objectives": tuple(map(parse_objective, flags["objectives"] or ())) or None}
    changed = {name: value for name, value in said.items() if value is not None}
    changed["augmentation"] = _augmentation(recipe, flags["augment"] or ())
    return msgspec.structs.replace(recipe, **changed)


def _read_recipe(path: Path) -> "Recipe":
    import msgspec

    from embedder.training.recipe import Recipe

    try:
        return msgspec.json.decode(path.read_bytes(), type=Recipe)
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"--recipe {path} cannot be used: {error}") from error


def _augmentation(recipe: "Recipe", texts: Any) -> Any:
    import msgspec

    changed = {}
    for text in texts:
        name, _, number = text.partition("=")
        if name not in type(recipe.augmentation).__struct_fields__:
            names = ", ".join(type(recipe.augmentation).__struct_fields__)
            raise InputError(f"--augment takes NAME=NUMBER, with {names}, not {text!r}")
        changed[name] = number
    try:
        asked = msgspec.to_builtins(recipe.augmentation) | changed
        return msgspec.convert(asked, type(recipe.augmentation), strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"--augment: {error}") from error


def _run(settings: "Settings", plan: "TrainingPlan") -> "TrainingReport":
    from ops.evaluation.progress import shown_stage
    from ops.training.running import train as run

    try:
        return run(settings, plan, shown_stage, speak_aside)
    except KeyboardInterrupt:
        err.print("stopped; the same command goes on after the last whole epoch", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
