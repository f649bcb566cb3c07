"""`lookalive catalog replay`: send again what was refused, or a stretch of the log."""

import re
from typing import Annotated

import typer

from ops.console import out, print_json, speak_aside, spoken_errors
from ops.endpoints import kafka_of
from schemas.changes import parse_time_us
from schemas.errors import REJECT_REASONS, ChangeRejected, InputError, NotReady

WAIT_S = 600.0
COUNTED_REJECTS = 1_000_000
_AGO = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
TIME_HELP = "as 2026-11-21T09:00:00Z, or 30m, 2h, 1d ago"


Reason = Annotated[str | None, typer.Option(help="only rejects of this reason")]
Item = Annotated[str | None, typer.Option(help="only this item's")]
Since = Annotated[str | None, typer.Option(help=f"only what was first written since then: {TIME_HELP}")]
Until = Annotated[str | None, typer.Option(help="only what was first written before then")]
Changes = Annotated[bool, typer.Option("--changes", help="a stretch of catalog.changes itself instead of the rejects")]
FromOffset = Annotated[int | None, typer.Option(min=0, help="the same, from this offset on in every partition")]
JsonFlag = Annotated[bool, typer.Option("--json", help="print JSON for scripts")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show how many would be sent, send nothing")]
Wait = Annotated[bool, typer.Option("--wait", help="return when everything sent has been applied by the shards")]


def replay(
    reason: Reason = None,
    item: Item = None,
    since: Since = None,
    until: Until = None,
    changes: Changes = False,
    from_offset: FromOffset = None,
    as_json: JsonFlag = False,
    dry_run: DryRun = False,
    wait: Wait = False,
) -> None:
    """Send again what was refused, after what was wrong is mended; what is there already does not change."""
    from ops.cli import read_settings

    settings = read_settings()
    from ops.reject_log import read_rejects, reject_ends
    from ops.replaying import ReplayChoice, replay_range, replay_rejects
    from ops.settling import wait_settled
    from ops.watched_work import KafkaWatch, run_watched

    with spoken_errors(as_json):
        if reason is not None and reason not in REJECT_REASONS:
            raise InputError(f"--reason is one of {', '.join(REJECT_REASONS)}, not {reason!r}")
        stretch = changes or from_offset is not None
        if stretch and reason is not None:
            raise InputError("--reason chooses among rejects: leave it out, or --changes and --from-offset")
        choice = ReplayChoice(
            reason=reason,
            item_id=item,
            since_us=0 if since is None else moment_us("--since", since),
            until_us=None if until is None else moment_us("--until", until),
        )
        kafka = kafka_of(settings)
        before = reject_ends(kafka) if wait and not dry_run else None
        if stretch:
            summary = replay_range(kafka, choice, from_offset, dry_run=dry_run)
        else:
            summary = replay_rejects(kafka, choice, dry_run=dry_run)
        if before is not None:
            watch = KafkaWatch(settings, kafka, speak_aside)
            if not run_watched(lambda: wait_settled(kafka, WAIT_S), watch.look):
                raise NotReady(f"sent, but not applied after {WAIT_S:.0f} s; `lookalive shards status` shows the lag")
            summary.settled = True
            summary.refused_again = len(read_rejects(kafka, COUNTED_REJECTS, since=before))
    if as_json:
        print_json(summary)
    else:
        out.print(summary.sentence(), highlight=False)


def moment_us(flag: str, text: str) -> int:
    """Microseconds since the epoch of a time, or of so long ago.

    Raises:
        InputError: it is neither.
    """
    from ops.catalog_writer import now_us

    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now_us() - int(ago[1]) * _SECONDS[ago[2]] * 1_000_000
    try:
        return parse_time_us(text)
    except ChangeRejected as error:
        raise InputError(f"{flag} takes a time {TIME_HELP}, not {text!r}") from error
