"""What does not fit a request's schema, in a caller's words instead of the decoder's."""

import re
from collections.abc import Callable
from typing import Any, Literal, get_args, get_type_hints

import msgspec

from schemas.errors import InputError

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
_BOUNDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_WHERE = r"(?: - at `\$\.?(?P<at>.*)`)?"
# The sentences of msgspec; one of another shape is passed on as it is.
_UNKNOWN = re.compile(rf"Object contains unknown field `(?P<name>.*?)`{_WHERE}", re.DOTALL)
_MISSING = re.compile(rf"Object missing required field `(?P<name>.*?)`{_WHERE}")
_CHOICE = re.compile(rf"Invalid enum value (?P<got>.*?){_WHERE}", re.DOTALL)
_BOUND = re.compile(rf"Expected `(?P<kind>\w+)` (?P<than>[<>]=?) (?P<limit>\S+){_WHERE}")
_LENGTH = re.compile(rf"Expected `(?P<kind>\w+)` of length (?P<than>[<>]=?) (?P<limit>\d+){_WHERE}")
_TYPE = re.compile(rf"Expected `(?P<kinds>[^`]+)`, got `(?P<got>\w+)`{_WHERE}")
_OTHER = re.compile(rf"(?P<said>.+?){_WHERE}", re.DOTALL)


def misfit(error: msgspec.ValidationError, where: str, kind: Any) -> InputError:
    """The refusal of what was decoded as `kind`; `details` has the `field` where one is to blame.

    `where` is what holds the fields, such as "the body".
    """
    for pattern, sentence in _SENTENCES.items():
        found = pattern.fullmatch(str(error))
        if found is not None:
            parts = {name: part or "" for name, part in found.groupdict().items()}
            field = parts["at"] or (parts.get("name", "") if pattern is _UNKNOWN else "")
            return InputError(sentence(parts, where, kind), **({"field": field} if field else {}))
    raise AssertionError(error)  # the last of the patterns fits every sentence


def _unknown(parts: dict[str, str], where: str, kind: Any) -> str:
    fields = [] if parts["at"] else list(getattr(kind, "__struct_fields__", ()))
    known = f"; there are {', '.join(f'`{name}`' for name in fields)}" if fields else ""
    return f"{_named(parts, where)} has an unknown field `{parts['name'][:100]}`{known}"


def _missing(parts: dict[str, str], where: str, _: Any) -> str:
    return f"{_named(parts, where)} needs `{parts['name']}`"


def _choice(parts: dict[str, str], where: str, kind: Any) -> str:
    choices, may_lack = _choices(kind, parts["at"])
    if not choices:
        return f"{_named(parts, where)} cannot be {parts['got'][:100]}"
    return f"{_named(parts, where)} is {_or(choices)}{' or left out' if may_lack else ''}, not {parts['got'][:100]}"


def _bound(parts: dict[str, str], where: str, _: Any) -> str:
    if parts["at"].startswith("crop."):
        return f"`{parts['at']}`: a crop takes fractions of the picture, 0 to 1; `width` and `height` more than 0"
    limit = parts["limit"].removesuffix(".0")
    return f"{_named(parts, where)} must be {_BOUNDS[parts['than']]} {limit}"


def _length(parts: dict[str, str], where: str, _: Any) -> str:
    of = "characters" if parts["kind"] == "str" else "entries"
    return f"{_named(parts, where)} must have {_BOUNDS[parts['than']]} {parts['limit']} {of}"


def _type(parts: dict[str, str], where: str, _: Any) -> str:
    wanted = [_WORDS.get(kind, kind) for kind in parts["kinds"].split(" | ")]
    return f"{_named(parts, where)} must be {_or(wanted)}, not {_WORDS.get(parts['got'], parts['got'])}"


def _other(parts: dict[str, str], where: str, _: Any) -> str:
    return f"{_named(parts, where)} does not fit: {parts['said']}"


def _named(parts: dict[str, str], where: str) -> str:
    return f"`{parts['at']}`" if parts["at"] else where


def _choices(kind: Any, field: str) -> tuple[list[str], bool]:
    """What a field of a struct may be, and whether it may be left out; nothing where that is not to be seen."""
    if field not in getattr(kind, "__struct_fields__", ()):
        return [], False
    hint = get_type_hints(kind)[field]
    kinds = [hint, *get_args(hint)]
    choices = [value for one in kinds if getattr(one, "__origin__", None) is Literal for value in get_args(one)]
    return [repr(choice) for choice in choices], type(None) in kinds


def _or(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


_SENTENCES: dict[re.Pattern[str], Callable[[dict[str, str], str, Any], str]] = {
    _UNKNOWN: _unknown,
    _MISSING: _missing,
    _CHOICE: _choice,
    _BOUND: _bound,
    _LENGTH: _length,
    _TYPE: _type,
    _OTHER: _other,
}
