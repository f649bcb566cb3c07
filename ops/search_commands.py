"""`lookalive search`: find look-alikes of a picture or an item."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ops.console import out, print_json, print_table, spoken_errors
from ops.endpoints import command_line, read_endpoints, router_of
from schemas.errors import InputError, NotReady

if TYPE_CHECKING:
    from schemas.queries import Hit, SearchAnswer

SHOWN_ATTRIBUTES = 8


def search(
    image: Annotated[Path | None, typer.Argument(help="a picture")] = None,
    item: Annotated[str | None, typer.Option(help="an item's id instead of a picture")] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="how many")] = 10,
    filter_json: Annotated[str | None, typer.Option("--filter", help='JSON, as in {"price": {"lt": 50}}')] = None,
    crop: Annotated[str | None, typer.Option(help="x,y,width,height as fractions of the picture")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for scripts")] = False,
) -> None:
    """Find the items that look like IMAGE, or like an item."""
    from ops.cli import read_settings

    settings = read_settings()
    with spoken_errors(as_json):
        options = search_options(k, filter_json, crop)
        router = router_of(settings)
        try:
            answer = search_router(router, image, item, options)
        except NotReady as error:
            raise NotReady(no_answer(router, read_endpoints(settings.data_path) is not None)) from error
    if as_json:
        print_json(answer)
        return
    if answer.items:
        print_table(["", "item", "score", "attributes"], hit_rows(answer))
    elif filter_json is not None:
        out.print("no item passes this filter", highlight=False)
    elif item is not None:
        out.print("no other item is there", highlight=False)
    else:
        load = command_line(settings, "catalog load FOLDER --wait")
        out.print(f"the catalogue is empty; this fills it: {load}", highlight=False, soft_wrap=True)
    shards = answer.shards
    out.print(f"{answer.took_ms:.1f} ms, {shards.ok} of {shards.total} shards, generation {answer.generation}")
    for warning in answer.warnings:
        out.print(f"warning: {warning}", markup=False)


def no_answer(router: str, running: bool) -> str:
    """What to do where the router cannot be reached; `running` says that `up` or `demo` runs with the data folder."""
    if running:
        return f"{router} does not answer yet: the system is still starting; search again when it says `ready`"
    return f"nothing answers at {router}: start `lookalive up` or `lookalive demo`, or mend LOOKALIVE_ROUTER__PORT"


def search_router(router: str, image: Path | None, item: str | None, options: dict[str, Any]) -> "SearchAnswer":
    """Ask the router by picture or by item.

    Raises:
        InputError: neither or both are given, or the picture cannot be read.
        LookaliveError: what the router says no to.
    """
    if (image is None) == (item is None):
        said = "neither came" if image is None else "both came"
        raise InputError(f"search takes a picture or --item ID, one of them; {said}")
    from query_router.client import RouterClient

    with RouterClient(router) as client:
        if image is None:
            assert item is not None
            return client.search_item(item, **options)
        try:
            return client.search_picture(image, **options)
        except OSError as error:
            raise InputError(f"{image} cannot be read: {error.strerror}") from error


def hit_rows(answer: "SearchAnswer") -> list[tuple[int, str, float, str]]:
    """The rows of a table of hits: rank, item, score and a few attributes."""
    return [(rank, hit.item_id, hit.score, _attributes(hit)) for rank, hit in enumerate(answer.items, start=1)]


def _attributes(hit: "Hit") -> str:
    values: dict[str, Any] = json.loads(bytes(hit.attributes)) if isinstance(hit.attributes, msgspec.Raw) else {}
    shown = [f"{name} {value}" for name, value in list(values.items())[:SHOWN_ATTRIBUTES]]
    return ", ".join(shown + (["..."] if len(values) > SHOWN_ATTRIBUTES else []))


def search_options(k: int, filter_json: str | None, crop: str | None) -> dict[str, Any]:
    """The options of the API from those of the command line.

    Raises:
        InputError: the filter is not JSON, or the crop is not four numbers.
    """
    options: dict[str, Any] = {"k": k}
    if filter_json is not None:
        try:
            options["filter"] = json.loads(filter_json)
        except json.JSONDecodeError as error:
            raise InputError(
                f"--filter must be a JSON object, not {filter_json!r:.60}: {error}",
                code="bad_filter",
            ) from error
    if crop is not None:
        try:
            x, y, width, height = (float(part) for part in crop.split(","))
        except ValueError as error:
            raise InputError(
                f"--crop takes x,y,width,height as fractions of the picture, as in 0.1,0.1,0.5,0.5, not {crop!r}",
                code="bad_crop",
            ) from error
        options["crop"] = {"x": x, "y": y, "width": width, "height": height}
    return options
