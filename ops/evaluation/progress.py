"""How far an evaluation has come: bars on a terminal, a plain line per stage anywhere else."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from ops.console import err, progress_bar, speak_aside

Stage = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Shows a stage of so many steps while it runs; what it gives is told how many more are done."""


@contextmanager
def shown_stage(words: str, total: int) -> Iterator[Callable[[int], None]]:
    """A stage on standard error; standard output stays the report's."""
    if not err.is_terminal:
        speak_aside(f"{words}: {total:,}" if total > 1 else words)
        yield lambda count: None
        return
    with progress_bar() as bar:
        task = bar.add_task(words, total=total, note="")
        yield lambda count: bar.advance(task, count)


@contextmanager
def silent_stage(words: str, total: int) -> Iterator[Callable[[int], None]]:
    """Shows nothing."""
    yield lambda count: None
