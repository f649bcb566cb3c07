"""What `lookalive watch drift` prints and ends with."""

import sys
from contextlib import suppress

import msgspec

from ops.console import out, print_table
from ops.watch_drift import Drift, renew, renewals, watch
from schemas.drift_records import SOURCES, Source
from schemas.drift_settings import DriftSettings
from schemas.errors import InputError
from schemas.settings import KafkaSettings
from streams.drift_judgement import Judgement

CALM, MOVED, UNKNOWN = 0, 1, 3
"""Exit statuses."""


def show_looks(kafka: KafkaSettings, limits: DriftSettings, interval_s: float | None, as_json: bool) -> int:
    """Print each look; the exit status of the worst one, or of the last where none had an alarm."""
    moved, holds = False, None
    with suppress(KeyboardInterrupt):
        for look in watch(kafka, limits, interval_s):
            holds = look.holds
            moved |= holds is False
            _print_line(look) if as_json else _show(look)
    return MOVED if moved else UNKNOWN if holds is None else CALM


def renew_references(kafka: KafkaSettings, names: list[str], *, dry_run: bool, wait: bool, as_json: bool) -> None:
    """Have reference windows made anew.

    Raises:
        InputError: no such source.
    """
    unknown = sorted(set(names) - set(SOURCES))
    if unknown:
        raise InputError(f"--renew takes {' or '.join(SOURCES)}, not {unknown[0]!r}", sources=list(SOURCES))
    asked: list[Source] = [source for source in SOURCES if source in names]
    found = renewals(kafka, asked)
    if not dry_run:
        with suppress(KeyboardInterrupt):
            renew(kafka, found, wait=wait)
    if as_json:
        _print_line({"renewed": found, "sent": not dry_run})
        return
    for one in found:
        said = "would be made anew" if dry_run else "is made anew of what comes next"
        out.print(f"the reference window of {one.generation}'s {one.source} {said}", markup=False)


def _print_line(value: object) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def _show(look: Drift) -> None:
    if not look.sources:
        out.print("nothing is measured yet: no generation is searched")
        return
    print_table(
        ["gen", "source", "state", "items", "mean PSI", "by chance", "norm PSI", "score PSI", "moved", "collapsed"],
        [_row(one) for one in look.sources],
    )
    for one in look.sources:
        if one.state == "drift":
            worst = ", ".join(f"{shift.dimension} ({shift.psi:.2f})" for shift in one.worst)
            what = ", ".join(one.alarms)
            out.print(f"{one.generation} {one.source}: {what} moved; dimensions most: {worst}", markup=False)


def _row(one: Judgement) -> tuple[object, ...]:
    beyond = None if one.dimensions_beyond is None else f"{one.dimensions_beyond} of {len(one.psi)}"
    collapsed = None if one.collapsed_share is None else f"{one.collapsed_share:.1%}"
    return (
        one.generation,
        one.source,
        one.state,
        f"{one.items} of {one.wanted}" if one.state in ("collecting", "filling") else str(one.items),
        one.mean_psi,
        one.chance_psi,
        one.norm_psi,
        one.score_psi,
        beyond,
        collapsed,
    )
