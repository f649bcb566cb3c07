"""A browser is opened only where somebody can see it."""

import sys
import webbrowser

import pytest

from ops.browser import open_page


@pytest.mark.parametrize(
    ("platform", "environ", "opened"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ""}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("darwin", {}, True),
    ],
)
def test_only_where_there_is_a_display(
    monkeypatch: pytest.MonkeyPatch, platform: str, environ: dict[str, str], opened: bool
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(webbrowser, "open", lambda url: asked.append(url) is None)
    assert open_page("http://127.0.0.1:8080/", environ) is opened
    assert asked == (["http://127.0.0.1:8080/"] if opened else [])
