"""The report of an evaluation as one HTML file: figures, a drawing of their intervals, and what was found."""

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from ops.evaluation.evaluating import Evaluation
from ops.evaluation.forest import forest
from ops.evaluation.report import ALL, ROBUSTNESS, Interval, Report, Row
from ops.evaluation.sheets import chosen_queries, sheet, shown_rows
from ops.evaluation.tables import MOST_PARTS, bound_words, main_measures, part_words, setting_lines
from ops.evaluation.thumbnails import thumbnails
from schemas.errors import InputError
from schemas.settings import Settings

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Nothing runs in the page, and nothing is fetched by it."""


def write_page(settings: Settings, path: Path, done: Evaluation, sheets: int) -> None:
    """Write the page, with the neighbours of so many queries.

    Raises:
        InputError: the file cannot be written.
    """
    setting = done.report.setting
    ours = done.judged[0]
    queries = chosen_queries(ours.values[:, ours.names.index("mAP")], sheets, setting.seed)
    refs = [done.world.pictures[row].ref for row in shown_rows(done.world, done.judged, queries)]
    pictures = thumbnails(settings, refs)
    names = [one.said for one in (done.report.model, done.report.baseline) if one is not None]
    shown = [
        sheet(done.world, done.judged, names, query, pictures, setting.relevant_from) for query in queries.tolist()
    ]
    try:
        path.write_text(_page(done.report, shown), encoding="utf-8")
    except OSError as error:
        raise InputError(f"--page {path} cannot be written: {error.strerror}", code="unwritable") from error


def _page(report: Report, sheets: Sequence[str]) -> str:
    title = escape(f"{report.model.said} on {Path(report.setting.source).name}")
    style = (files("ops.evaluation") / "page.css").read_text(encoding="utf-8")
    about = "".join(f"<li>{escape(line)}</li>" for line in setting_lines(report))
    parts_shown = report.parts[:MOST_PARTS]
    parts = [
        f"<h1>{title}</h1><ul class='about'>{about}</ul>",
        *_bounds(report),
        "<h2>All queries</h2>",
        _measures(report.of_part(ALL), report),
        f"<h2>mAP by part</h2>{_keys(report)}",
        forest([row for part in parts_shown for row in report.of_part(part) if row.measure == "mAP"], "mAP by part"),
        _parts(report, parts_shown),
        *_robustness(report),
    ]
    if sheets:
        said = "The worst queries by average precision first, then some drawn, then the best."
        parts.append(f"<h2>What was found</h2><p class='soft'>{said}</p>")
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{title}</title><style>{style}</style></head><body><main>{''.join(parts)}{''.join(sheets)}</main></body></html>\n"
    )


def _bounds(report: Report) -> list[str]:
    lines = [
        f"<li class='{'holds' if bound.holds else 'broken'}'>{escape(bound_words(bound))}</li>"
        for bound in report.bounds
    ]
    return [f"<h2>Thresholds</h2><ul>{''.join(lines)}</ul>"] if lines else []


def _robustness(report: Report) -> list[str]:
    rows = report.of_part(ROBUSTNESS)
    if not rows:
        return []
    head = "<h2>Changed pictures</h2><p class='soft'>The share that finds its original among the first 5.</p>"
    return [head, _measures(rows, report)]


def _measures(rows: Sequence[Row], report: Report) -> str:
    head = ["measure", "queries", report.model.said]
    if report.baseline is not None:
        head += [report.baseline.said, "difference", "ratio"]
    body = []
    for row in rows:
        cells = [row.measure, row.queries, row.model.words()]
        if report.baseline is not None:
            cells += [_words(row.baseline), _words(row.difference), _words(row.ratio)]
        body.append(cells)
    return _table(head, body)


def _parts(report: Report, parts: Sequence[str]) -> str:
    measures = main_measures(report)
    head = ["part", "queries"]
    for measure in measures:
        head += [measure] if report.baseline is None else [measure, "difference"]
    body = []
    for part in parts:
        rows = {row.measure: row for row in report.of_part(part)}
        cells: list[object] = [part_words(part), rows["mAP"].queries]
        for measure in measures:
            cells.append(rows[measure].model.words())
            if report.baseline is not None:
                cells.append(_words(rows[measure].difference))
        body.append(cells)
    return _table(head, body)


def _words(one: Interval | None) -> str:
    return "-" if one is None else one.words()


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    top = "".join(f"<th scope='col'{' class=number' if name == 'queries' else ''}>{escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>"
        + "".join(f"<td{' class=number' if isinstance(cell, int) else ''}>{escape(str(cell))}</td>" for cell in row)
        + "</tr>"
        for row in rows
    )
    return f"<div class='scroll'><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def _keys(report: Report) -> str:
    """The drawing's key, which also tells the two apart without colours."""
    model = (
        "<span class='key'><svg class='forest' viewBox='0 0 34 14' aria-hidden='true'>"
        "<line class='model' x1='2' x2='32' y1='7' y2='7'/><circle class='model' cx='17' cy='7' r='4.5'/></svg>"
        f"{escape(report.model.said)}</span>"
    )
    if report.baseline is None:
        return f"<p>{model}</p>"
    baseline = (
        "<span class='key'><svg class='forest' viewBox='0 0 34 14' aria-hidden='true'>"
        "<line class='baseline' x1='2' x2='32' y1='7' y2='7'/>"
        f"<polygon class='baseline' points='17,2 22,7 17,12 12,7'/></svg>{escape(report.baseline.said)}</span>"
    )
    return f"<p>{model}{baseline}</p>"
