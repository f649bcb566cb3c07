"""An evaluation on a terminal."""

from collections.abc import Sequence

from ops.console import out, print_table
from ops.evaluation.report import ALL, CATEGORY, ROBUSTNESS, Bound, ModelReport, Report, Row, Setting

MOST_PARTS = 40
TABLE_WIDTH = 130


def show_report(report: Report) -> None:
    """Print all of it."""
    if not out.is_terminal:
        out.width = max(out.width, TABLE_WIDTH)
    for line in setting_lines(report):
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    _measures(report.of_part(ALL), report, "all queries")
    main = main_measures(report)
    parts = [part for part in report.parts if part != ALL]
    if parts:
        _parts(report, parts[:MOST_PARTS], main)
    if len(parts) > MOST_PARTS:
        out.print(f"{len(parts) - MOST_PARTS} more parts are in --json", highlight=False)
    if robust := report.of_part(ROBUSTNESS):
        _measures(robust, report, "changed pictures that find their original among the first 5")
    for bound in report.bounds:
        out.print(bound_words(bound), highlight=False, markup=False)


def main_measures(report: Report) -> list[str]:
    """The few measures that parts are compared by: mAP, precision and, where there is room, nDCG at the most depth."""
    deepest = [row.measure for row in report.of_part(ALL) if row.measure.startswith(("precision@", "nDCG@"))][-2:]
    return ["mAP", *sorted(deepest, reverse=True)][: 2 if report.baseline else 3]


def setting_lines(report: Report) -> list[str]:
    """What the figures are about, in words."""
    s = report.setting
    how = "the newest" if s.split == "time" else f"drawn by product with seed {s.seed}"
    lines = [
        f"{s.source}: {s.pictures:,} pictures, {s.held_out:,} held out ({100 * s.share:g} %, {how})",
        f"{s.queries:,} queries, each among the other pictures of {s.gallery:,} ({s.gallery_kind}); {_relevant(s)}",
        f"intervals: {100 * s.level:g} %, {s.resamples:,} resamples of the queries by product",
        model_words("model", report.model),
    ]
    if report.baseline is not None:
        lines.append(model_words("baseline", report.baseline))
    if s.without_relevant:
        lines.append(f"{s.without_relevant:,} queries have nothing relevant to find and are in no figure")
    if s.left_out_count:
        lines.append(f"{s.left_out_count:,} rows or pictures left out: {'; '.join(s.left_out)}")
    return lines


def model_words(role: str, model: ModelReport) -> str:
    """What a model is, and how long it took."""
    known = f", {model.cached:,} of them known" if model.cached else ""
    return (
        f"{role}: {model.said}, {model.dimension} numbers, fingerprint {model.fingerprint}; {model.vectors:,} vectors "
        f"in {model.embed_s:.1f} s{known}"
    )


def bound_words(bound: Bound) -> str:
    """A threshold, and whether it holds."""
    unit = "x the baseline's" if bound.of == "ratio" else ""
    value = "no figure" if bound.value is None else f"{bound.value:.3f}{unit}"
    return f"{bound.measure} >= {bound.at_least:g}{unit}: {value}, {'holds' if bound.holds else 'BROKEN'}"


def part_words(part: str) -> str:
    """A part's name for people."""
    return part.removeprefix(CATEGORY)


def _relevant(s: Setting) -> str:
    if s.judgements is not None:
        return f"relevant: as judged in {s.judgements}, from grade {s.relevant_from}"
    same = f"same category (grade {s.category_grade}), same product (grade {s.group_grade})"
    return f"relevant: {same}, from grade {s.relevant_from}"


def _measures(rows: Sequence[Row], report: Report, title: str) -> None:
    if report.baseline is None:
        cells: list[tuple[object, ...]] = [(row.measure, row.queries, row.model.words()) for row in rows]
        print_table(["measure", "queries", report.model.said], cells, title=title)
        return
    columns = ["measure", "queries", report.model.said, report.baseline.said, "difference", "ratio", "apart"]
    print_table(columns, [(row.measure, row.queries, *_beside(row)) for row in rows], title=title)


def _beside(row: Row) -> tuple[object, ...]:
    apart = "" if row.apart is None else "yes" if row.apart else "no"
    three = (row.baseline, row.difference, row.ratio)
    return (row.model.words(), *("-" if one is None else one.words() for one in three), apart)


def _parts(report: Report, parts: Sequence[str], measures: Sequence[str]) -> None:
    cells = []
    beside = report.baseline is not None
    for part in parts:
        rows = {row.measure: row for row in report.of_part(part)}
        shown: list[object] = [part_words(part), rows[measures[0]].queries]
        for measure in measures:
            shown.append(rows[measure].model.words())
            if beside:
                difference = rows[measure].difference
                shown.append("-" if difference is None else difference.words())
        cells.append(tuple(shown))
    columns = ["part", "queries"]
    for measure in measures:
        columns += [measure, "difference"] if beside else [measure]
    print_table(columns, cells)
