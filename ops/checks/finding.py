"""One thing that was looked at."""

from typing import Literal

import msgspec

Level = Literal["ok", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True):
    """What was looked at, how it is, what was found, and what to do about it (nothing where it is ok)."""

    check: str
    level: Level
    found: str
    advice: str = ""


def ok(check: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding(check, "ok", found)


def warning(check: str, found: str, advice: str) -> Finding:
    """Works, but not as well as it could, or not for everything."""
    return Finding(check, "warning", found, advice)


def problem(check: str, found: str, advice: str) -> Finding:
    """Does not work."""
    return Finding(check, "problem", found, advice)
