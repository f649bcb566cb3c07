"""How commands speak: tables for people, JSON for scripts, one line for an error."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
import typer
from rich.console import Console
from rich.markup import escape

from schemas.errors import EXIT_CONFIG, EXIT_GAP, LogGap, LookaliveError, SettingsError, error_body

if TYPE_CHECKING:
    from rich.progress import Progress

NEVER_WRAPPED = 16
"""Characters of a cell that stays on one line, however narrow the terminal."""

out = Console()
err = Console(stderr=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output, and nothing else."""
    sys.stdout.write(
        orjson.dumps(msgspec.json.decode(msgspec.json.encode(value)), option=orjson.OPT_INDENT_2).decode() + "\n"
    )


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> None:
    """A table for people; numbers stand on the right, and a column in which nothing stands is left away."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown = [n for n in range(len(columns)) if not rows or any(_cell(row[n]) for row in rows)]
    for number in shown:
        numeric = bool(rows) and all(isinstance(row[number], int | float) for row in rows)
        short = all(len(_cell(row[number])) <= NEVER_WRAPPED for row in rows)
        table.add_column(columns[number], justify="right" if numeric else "left", overflow="fold", no_wrap=short)
    for row in rows:
        table.add_row(*[_cell(row[number]) for number in shown])
    out.print(table)


def progress_bar() -> "Progress":
    """The progress of a long job, on standard error, so that standard output stays clean."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=err,
    )


@contextmanager
def spoken_errors(as_json: bool = False) -> Iterator[None]:
    """Turn an error of ours into its one line (or its JSON) and exit status 1; anything else passes."""
    try:
        yield
    except LookaliveError as error:
        if as_json:
            print_json(error_body(error))
        speak_error(error)
        raise typer.Exit(1) from error


@contextmanager
def role_errors() -> Iterator[None]:
    """The same for a role's process; its exit status tells a supervisor when starting it again is of no use."""
    try:
        yield
    except LookaliveError as error:
        speak_error(error)
        code = EXIT_CONFIG if isinstance(error, SettingsError) else EXIT_GAP if isinstance(error, LogGap) else 1
        raise typer.Exit(code) from error


def speak_aside(line: str) -> None:
    """A line for people beside what a command prints."""
    err.print(line, highlight=False, markup=False, soft_wrap=True)


def speak_error(error: LookaliveError) -> None:
    """The one line of an error."""
    err.print(f"[red]error:[/red] {escape(error.message)}", highlight=False, soft_wrap=True)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if value is None else str(value)
