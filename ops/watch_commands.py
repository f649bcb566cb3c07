"""`lookalive watch`: what is measured all the time, seen from a terminal or a script."""

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ops.console import out, print_table, spoken_errors
from ops.endpoints import kafka_of, router_of

if TYPE_CHECKING:
    from ops.watch_freshness import Freshness
    from schemas.settings import Settings

watch = typer.Typer(no_args_is_help=True, help="Watch freshness, drift and recall.")

JsonFlag = Annotated[bool, typer.Option("--json", help="print JSON, one object per line")]
OnceFlag = Annotated[bool, typer.Option("--once", help="look once and end")]


@watch.command()
def freshness(
    interval: Annotated[float, typer.Option(min=0.1, help="seconds between two looks")] = 2.0,
    once: OnceFlag = False,
    threshold_ms: Annotated[
        float | None, typer.Option(min=0, help="exit status 1 when the percentile of a look is above it")
    ] = None,
    percentile: Annotated[float, typer.Option(min=0, max=100, help="of the time from event to searchable")] = 99.0,
    canary: Annotated[
        bool, typer.Option("--canary", help="write an item and search for it instead, through the router")
    ] = False,
    timeout: Annotated[float, typer.Option(min=1, help="seconds a canary is waited for")] = 60.0,
    as_json: JsonFlag = False,
) -> None:
    """Show how long changes take from event to searchable, stage by stage, of every change or of a canary.

    With --once the figures are of all changes since the nodes started, else of each interval. The exit status is 1 when
    the threshold was passed, and with --once also when there was no change to judge by; Ctrl-C ends the watch.
    """
    from ops.cli import read_settings

    settings = read_settings()
    with spoken_errors(as_json):
        try:
            if canary:
                held = _fly(settings, interval, once, threshold_ms, timeout, as_json)
            else:
                held = _look(settings, interval, once, threshold_ms, percentile, as_json)
        except KeyboardInterrupt:
            held = True
    raise typer.Exit(0 if held else 1)


@watch.command()
def recall(as_json: JsonFlag = False) -> None:
    """Show each shard's recall at 10: live queries answered again exactly, now and then."""
    from ops.cli import read_settings

    settings = read_settings()
    from ops.watch_recall import recall_rows

    with spoken_errors(as_json):
        rows = recall_rows(kafka_of(settings))
    if as_json:
        _print_line(rows)
    else:
        print_table(
            ["gen", "shard", "node", "recall@10", "queries"],
            [(r.generation, r.shard, r.node, r.recall_at_10, r.samples) for r in rows],
        )


@watch.command()
def drift(
    interval: Annotated[float | None, typer.Option(min=0.1, help="look again after so many seconds, for ever")] = None,
    once: OnceFlag = False,
    threshold: Annotated[
        float | None, typer.Option(min=0, help="PSI of lengths or scores for an alarm, else LOOKALIVE_DRIFT__PSI")
    ] = None,
    mean_threshold: Annotated[
        float | None,
        typer.Option(min=0, help="mean PSI of the dimensions beyond chance, else LOOKALIVE_DRIFT__MEAN_PSI"),
    ] = None,
    renew: Annotated[
        list[str] | None,
        typer.Option(metavar="SOURCE", help="catalogue or queries: what comes next makes its reference window anew"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="with --renew: show what would be renewed")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="with --renew: return when the new windows are made")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show how far vectors and scores have moved from their reference windows, of the catalogue and of queries.

    PSI is the population stability index: under 0.1 nothing has moved, above 0.25 a lot has. The exit status is 0 when
    there is no alarm, 1 when there is one, and 3 while no window is full yet; Ctrl-C ends the watch.
    """
    from ops.cli import read_settings
    from ops.watch_drift_commands import renew_references, show_looks

    settings = read_settings()
    with spoken_errors(as_json):
        if renew:
            renew_references(kafka_of(settings), renew, dry_run=dry_run, wait=wait, as_json=as_json)
            return
        limits = msgspec.structs.replace(
            settings.drift,
            psi=settings.drift.psi if threshold is None else threshold,
            mean_psi=settings.drift.mean_psi if mean_threshold is None else mean_threshold,
        )
        code = show_looks(kafka_of(settings), limits, None if once else interval, as_json)
    raise typer.Exit(code)


def _look(
    settings: "Settings", interval: float, once: bool, threshold_ms: float | None, percentile: float, as_json: bool
) -> bool:
    from ops.watch_freshness import Asked
    from ops.watch_freshness import watch as looks

    asked = None if threshold_ms is None else Asked(percentile, threshold_ms)
    broken = False
    try:
        for look in looks(kafka_of(settings), None if once else interval, asked):
            holds = True if look.promise is None else look.promise.holds
            broken |= holds is False or (once and holds is None)
            _print_line(look) if as_json else _show(look)
    except KeyboardInterrupt:
        pass
    return not broken


def _fly(
    settings: "Settings",
    interval: float,
    once: bool,
    threshold_ms: float | None,
    timeout: float,
    as_json: bool,
) -> bool:
    from ops.watch_canary import Canary

    router, held = router_of(settings), True

    async def flights() -> bool:
        broken = False
        while True:
            flown = await Canary(router, timeout).fly()
            broken |= threshold_ms is not None and max(flown.found_ms, flown.gone_ms) > threshold_ms
            if as_json:
                _print_line(flown)
            else:
                out.print(f"canary: found after {flown.found_ms:.0f} ms, gone after {flown.gone_ms:.0f} ms")
            if once or broken:
                return not broken
            await asyncio.sleep(interval)

    with suppress(KeyboardInterrupt):
        held = asyncio.run(flights())
    return held


def _print_line(value: object) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def _show(look: "Freshness") -> None:
    when = "since the nodes started" if look.interval_s is None else f"in the last {look.interval_s:g} s"
    rows = [(r.stage, r.kind, r.count, r.p50_ms, r.p95_ms, r.p99_ms) for r in look.stages]
    if out.is_terminal and look.interval_s is not None:
        out.clear()
    if rows:
        print_table(["stage", "change", "count", "p50 ms", "p95 ms", "p99 ms"], rows, title=f"searchable {when}")
    else:
        out.print(f"no change became searchable {when}")
    shards = [(r.generation, r.shard, r.node, r.lag, r.newest_change_age_s) for r in look.shards]
    print_table(["gen", "shard", "node", "lag", "newest change, s ago"], shards)
    if look.silent_nodes:
        out.print(f"no answer from {', '.join(look.silent_nodes)}", markup=False)
    if look.promise is not None:
        p = look.promise
        said = (
            "no change to judge by" if p.holds is None else f"{p.value_ms:.0f} ms, {'holds' if p.holds else 'BROKEN'}"
        )
        out.print(f"p{p.percentile:g} <= {p.threshold_ms:g} ms: {said}")
