"""Runbooks: a data set that is changed step by step and searched in between, as in the streaming track of NeurIPS'23.

The format is that of the big-ann-benchmarks (github.com/harsha-simhadri/big-ann-benchmarks, neurips23/streaming):

    <dataset>:
      max_pts: 6000                                    the most vectors that live at once
      1: {operation: insert, start: 0, end: 326}       rows 0 to 325, each under the tag of its own number
      2: {operation: search}                           every query; the answer is tags
      3: {operation: delete, start: 100, end: 200}     tags 100 to 199
      4: {operation: replace, tags_start: 0, tags_end: 10, ids_start: 326, ids_end: 336}    tag 0 now has row 326, ...

Other keys, such as `gt_url`, are passed over.
"""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from schemas.errors import InputError


class Insert(msgspec.Struct, frozen=True, tag_field="operation", tag="insert"):
    """Rows start to end - 1 come, each under its own number."""

    start: int
    end: int


class Delete(msgspec.Struct, frozen=True, tag_field="operation", tag="delete"):
    """What lives under the tags start to end - 1 goes."""

    start: int
    end: int


class Replace(msgspec.Struct, frozen=True, tag_field="operation", tag="replace"):
    """The tags take the rows in place of theirs, one by one."""

    tags_start: int
    tags_end: int
    ids_start: int
    ids_end: int


class Search(msgspec.Struct, frozen=True, tag_field="operation", tag="search"):
    """All queries are asked."""


Step = Insert | Delete | Replace | Search


class Runbook(msgspec.Struct, frozen=True):
    """The steps for one data set; `max_pts` is the most vectors that live at once."""

    dataset: str
    max_pts: int
    steps: tuple[Step, ...]

    @property
    def rows(self) -> int:
        """How many rows the data must have at least."""
        ends = [s.end if isinstance(s, Insert) else s.ids_end for s in self.steps if isinstance(s, Insert | Replace)]
        return max(ends, default=0)

    @property
    def tags(self) -> int:
        """One more than the largest tag."""
        ends = [s.tags_end if isinstance(s, Replace) else s.end for s in self.steps if not isinstance(s, Search)]
        return max(ends, default=0)


def read_runbook(path: Path, dataset: str | None = None) -> Runbook:
    """The steps for a data set; its name may be left out where the file has only one.

    Raises:
        InputError: it cannot be read, is no runbook, or has no or several data sets to choose from.
    """
    try:
        tree = yaml.safe_load(path.read_text())
        datasets = msgspec.convert(tree, dict[str, dict[Any, Any]])
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise InputError(f"{path} is no runbook: {error}", code="bad_runbook") from error
    names = [dataset] if dataset is not None else list(datasets)
    if len(names) != 1 or names[0] not in datasets:
        raise InputError(f"{path} has steps for {', '.join(datasets) or 'nothing'}: name one", code="bad_runbook")
    return _runbook(names[0], datasets[names[0]])


def write_runbook(path: Path, runbook: Runbook) -> None:
    """Write it as YAML."""
    entries: dict[str | int, Any] = {"max_pts": runbook.max_pts}
    entries.update((number, msgspec.to_builtins(step)) for number, step in enumerate(runbook.steps, start=1))
    path.write_text(yaml.safe_dump({runbook.dataset: entries}, sort_keys=False))


def _runbook(name: str, entries: dict[Any, Any]) -> Runbook:
    numbers = sorted(key for key in entries if isinstance(key, int))
    if numbers != list(range(1, len(numbers) + 1)) or not numbers:
        raise InputError(f"the steps of {name} are not numbered 1, 2, 3, ...", code="bad_runbook")
    try:
        steps = msgspec.convert([entries[number] for number in numbers], tuple[Step, ...])
        most = msgspec.convert(entries.get("max_pts"), int)
    except msgspec.ValidationError as error:
        raise InputError(f"a step of {name} cannot be understood: {error}", code="bad_runbook") from error
    for number, step in enumerate(steps, start=1):
        _check(number, step)
    return Runbook(name, most, steps)


def _check(number: int, step: Step) -> None:
    match step:
        case Insert() | Delete():
            fits = 0 <= step.start <= step.end
        case Replace():
            same = step.tags_end - step.tags_start == step.ids_end - step.ids_start
            fits = same and 0 <= step.tags_start <= step.tags_end and step.ids_start >= 0
        case Search():
            fits = True
    if not fits:
        raise InputError(f"step {number} has ranges that do not fit: {step}", code="bad_runbook")
