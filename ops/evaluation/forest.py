"""A drawing of figures with their intervals, one line per part of the queries, as SVG inside a page."""

from collections.abc import Sequence
from html import escape

from ops.evaluation.report import Interval, Row
from ops.evaluation.tables import part_words

LABELS, WIDTH, LINE, TOP, RIGHT = 150, 720, 30, 26, 20
TICKS = 5
_NICE = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)


def forest(rows: Sequence[Row], title: str) -> str:
    """The drawing of a measure's rows: discs and full lines for the model, diamonds and dashes for the baseline."""
    ends = [end for row in rows for one in (row.model, row.baseline) for end in _ends(one)]
    top = max([*ends, 0.01])
    step = next((nice for nice in _NICE if nice * TICKS >= top), 0.5)
    limit = min(max(step * TICKS, top), 1.0)
    height = TOP + LINE * len(rows) + 8
    ticks = [step * n for n in range(TICKS + 1) if step * n <= limit + 1e-9]
    grid = "".join(
        f"<line class='grid' x1='{_x(tick, limit):.1f}' x2='{_x(tick, limit):.1f}' y1='{TOP - 6}' y2='{height - 6}'/>"
        f"<text class='tick' x='{_x(tick, limit):.1f}' y='{TOP - 12}'>{tick:g}</text>"
        for tick in ticks
    )
    lines = "".join(_line(row, TOP + LINE * number + LINE / 2, limit) for number, row in enumerate(rows))
    return (
        f"<svg class='forest' viewBox='0 0 {WIDTH} {height}' role='img' aria-label='{escape(title, quote=True)}'>"
        f"{grid}{lines}</svg>"
    )


def _line(row: Row, y: float, limit: float) -> str:
    label = f"<text class='part' x='{LABELS - 12}' y='{y + 4:.1f}'>{escape(part_words(row.part))[:60]}</text>"
    two = row.baseline is not None
    ours = _mark(row.model, y - 5 if two else y, limit, "model")
    theirs = "" if row.baseline is None else _mark(row.baseline, y + 6, limit, "baseline")
    return label + ours + theirs


def _mark(one: Interval, y: float, limit: float, kind: str) -> str:
    if one.value is None:
        return ""
    x = _x(one.value, limit)
    bar = ""
    if one.low is not None and one.high is not None:
        bar = f"<line class='{kind}' x1='{_x(one.low, limit):.1f}' x2='{_x(one.high, limit):.1f}' y1='{y}' y2='{y}'/>"
    if kind == "model":
        return f"{bar}<circle class='{kind}' cx='{x:.1f}' cy='{y}' r='4.5'><title>{one.words()}</title></circle>"
    corners = f"{x:.1f},{y - 5} {x + 5:.1f},{y} {x:.1f},{y + 5} {x - 5:.1f},{y}"
    return f"{bar}<polygon class='{kind}' points='{corners}'><title>{one.words()}</title></polygon>"


def _ends(one: Interval | None) -> list[float]:
    return [] if one is None else [end for end in (one.value, one.high) if end is not None]


def _x(value: float, limit: float) -> float:
    return LABELS + min(value / limit, 1.0) * (WIDTH - LABELS - RIGHT)
