"""`lookalive catalog load`: a whole source of items as changes."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ops.console import err, out, print_json, speak_aside, spoken_errors
from schemas.errors import InputError

if TYPE_CHECKING:
    from ops.catalog_load import Loader
    from ops.load_display import LoadDisplay
    from ops.load_summary import LoadSummary
    from ops.pruning import Candidates
    from schemas.settings import Settings

WAIT_S = 600.0
INTERRUPTED = 130
SHOWN_ITEMS = 10

Source = Annotated[
    str, typer.Argument(help="a folder of images, or a .csv, .jsonl or .parquet file, also an http(s), s3 or gs URL")
]
Column = Annotated[
    list[str] | None, typer.Option("--column", help="name=COLUMN of the table, as in item_id=SKU; can be repeated")
]
Kind = Annotated[list[str] | None, typer.Option("--type", help="column=str, int, float, bool or json; can be repeated")]
Attributes = Annotated[str | None, typer.Option(help="these columns alone become attributes, comma-separated")]
Limit = Annotated[int | None, typer.Option(min=1, help="stop after that many rows")]
Rate = Annotated[float | None, typer.Option(min=0.01, help="changes per second at most")]
Pace = Annotated[
    bool, typer.Option("--pace/--no-pace", help="leave room for live changes; --no-pace fills an empty system soonest")
]
Strict = Annotated[bool, typer.Option("--strict", help="stop at the first row that cannot be read")]
Restart = Annotated[bool, typer.Option("--restart", help="from the first row, though an earlier run was cut off")]
Prune = Annotated[bool, typer.Option("--prune", help="delete the items that the source no longer has")]
PruneScope = Annotated[str | None, typer.Option(help="prune among these alone: id:PREFIX, or attribute=value")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="prune without asking")]
JsonFlag = Annotated[bool, typer.Option("--json", help="print JSON for scripts")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would be sent, send nothing")]
Wait = Annotated[bool, typer.Option("--wait", help="return when everything sent has been applied by the shards")]


def load(
    source: Source,
    column: Column = None,
    kind: Kind = None,
    attributes: Attributes = None,
    limit: Limit = None,
    rate: Rate = None,
    pace: Pace = True,
    strict: Strict = False,
    restart: Restart = False,
    prune: Prune = False,
    prune_scope: PruneScope = None,
    yes: Yes = False,
    as_json: JsonFlag = False,
    dry_run: DryRun = False,
    wait: Wait = False,
) -> None:
    """Send one upsert per row or picture of SOURCE; the same command again goes on where a run was cut off."""
    from ops.cli import read_settings

    settings = read_settings()
    from ops.catalog_load import Loader
    from ops.load_display import LoadDisplay
    from ops.load_summary import LoadPlan
    from ops.sources.row_shape import parse_shape

    display = LoadDisplay(err)
    with spoken_errors(as_json):
        check_prune(prune, prune_scope, limit, asks=not (yes or dry_run), as_json=as_json)
        plan = LoadPlan(
            source=source,
            shape=parse_shape(column or [], kind or [], attributes),
            limit=limit,
            rate_per_s=rate,
            paced=pace,
            strict=strict,
            restart=restart,
            prune=prune,
            prune_scope=prune_scope,
            dry_run=dry_run,
            wait_s=WAIT_S * wait,
        )

        summary = _run(settings, Loader(settings, plan, display), display, yes=yes)
    _show(summary, as_json)
    if wait and not dry_run and not summary.settled:
        raise typer.Exit(1)


def _run(settings: "Settings", loader: "Loader", display: "LoadDisplay", *, yes: bool) -> "LoadSummary":
    """The load, ended at once by Ctrl-C and by the end of its Kafka."""
    from ops.watched_work import KafkaWatch, run_watched

    watch: KafkaWatch | None = None

    def agree(found: "Candidates") -> bool:
        display.stop()
        return agreed(found, yes=yes, dry_run=loader.summary.dry_run)

    def look() -> None:
        nonlocal watch
        if loader.kafka is not None:
            watch = watch or KafkaWatch(settings, loader.kafka, speak_aside)
            watch.look()

    try:
        return run_watched(lambda: loader.run(agree), look)
    except KeyboardInterrupt:
        display.stop()
        err.print(loader.how_to_go_on(), highlight=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        display.stop()


def _show(summary: "LoadSummary", as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    out.print(summary.sentence(), highlight=False, soft_wrap=True)
    for line in summary.refused:
        speak_aside(f"refused: {line}")


def check_prune(prune: bool, scope: str | None, limit: int | None, *, asks: bool, as_json: bool) -> None:
    """Raises InputError where flags about pruning contradict each other."""
    if scope is not None and not prune:
        raise InputError("--prune-scope says where to prune; add --prune")
    if prune and limit is not None:
        raise InputError("--prune needs the whole source: leave --limit out")
    if prune and asks and as_json:
        raise InputError("--prune --json cannot ask: add --yes, or --dry-run to see what would be deleted")


def agreed(found: "Candidates", *, yes: bool, dry_run: bool) -> bool:
    """Say what would be deleted, and ask where nobody has said yes before."""
    shown = ", ".join(found.item_ids[:SHOWN_ITEMS]) + (", ..." if len(found.item_ids) > SHOWN_ITEMS else "")
    verb = "would be" if dry_run else "will be"
    err.print(
        f"{len(found.item_ids)} of {found.live} live items are not in the source and {verb} deleted: {shown or 'none'}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if yes or dry_run or not found.item_ids:
        return True
    if not sys.stdin.isatty():
        raise InputError("nothing was deleted, as nobody can be asked; all else was sent; the same with --yes deletes")
    return typer.confirm("delete them?", err=True)
