"""The page of an evaluation: one file that shows all, runs nothing and fetches nothing."""

import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from typer.testing import Result

from ops.evaluation.sheets import chosen_queries

Evaluate = Callable[..., Result]
VOID = {"meta", "img"}


class Outline(HTMLParser):
    """The elements of a page, and whether they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    found.close()
    assert found.open == []
    return found


def test_the_page_holds_everything_itself(drawn: Path, tmp_path: Path, evaluate: Evaluate) -> None:
    path = tmp_path / "page.html"
    flags = ("--share", 1, "--baseline", "histogram", "--robustness", "--changed", 5, "--sheets", 6)
    assert evaluate(drawn, "--page", path, *flags, "--at-least", "mAP=0").exit_code == 0
    page = path.read_text()
    found = outline(page)
    pictures = [attrs for tag, attrs in found.elements if tag == "img"]
    assert len(pictures) == 6 * (1 + 2 * 6)
    assert all((attrs["src"] or "").startswith("data:image/jpeg;base64,") and attrs["alt"] for attrs in pictures)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in found.elements}
    assert not re.search(r"""(?:src|href)=['"](?!data:)|url\(|@import|\son\w+=""", page)
    policy = next(attrs["content"] for tag, attrs in found.elements if attrs.get("http-equiv"))
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert "prefers-color-scheme: dark" in page
    assert {"✓", "✗"} & set(page)


def test_names_are_only_ever_text(drawn: Path, tmp_path: Path, evaluate: Evaluate) -> None:
    folder = tmp_path / "<b onclick='x'>&"
    folder.mkdir()
    for number, picture in enumerate(sorted((drawn / "images").rglob("*.jpg"))[:6]):
        shutil.copy(picture, folder / f"'{number}\"><script>.jpg")
    path = tmp_path / "page.html"
    result = evaluate(tmp_path, "--share", 1, "--page", path)
    assert result.exit_code == 0, result.output
    tags = {tag for tag, _ in outline(path.read_text()).elements}
    assert "script" not in tags
    assert "b" not in tags


def test_sheets_show_the_worst_some_and_the_best() -> None:
    precision = np.array([0.5, np.nan, 0.1, 0.9, 0.3, 0.7, 0.2, 0.8, 0.4, 0.6])
    rows = chosen_queries(precision, 6, seed=1)
    assert rows[:2].tolist() == [2, 6]
    assert rows[-2:].tolist() == [7, 3]
    assert len(set(rows.tolist())) == 6
    assert chosen_queries(precision, 99, seed=1).tolist() == [2, 6, 4, 8, 0, 9, 5, 7, 3]
    assert chosen_queries(precision, 0, seed=1).tolist() == []
