"""Opening a page in the browser of the person who sits at this machine, if somebody does."""

import sys
import webbrowser
from collections.abc import Mapping


def open_page(url: str, environ: Mapping[str, str]) -> bool:
    """Whether a browser was opened; never one in the terminal, which would take it over."""
    seen = sys.platform == "darwin" or any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    try:
        return seen and webbrowser.open(url)
    except webbrowser.Error:
        return False
