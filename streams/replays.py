"""How a change that is sent again is told from a new one: a header beside the origin."""

from typing import Literal, NamedTuple, cast, get_args

from streams.origin import Headers

REPLAY_HEADER = "lookalive-replay"
ReplayKind = Literal["range", "rejected", "pictures"]
_KINDS: tuple[str, ...] = get_args(ReplayKind)
_FORWARDED = "forwarded"


class Replay(NamedTuple):
    """What is sent again, and for the how many-th time it is tried.

    range     a record of the log as it was: changes nothing where it had been applied
    rejected  a change that was refused: taken in the place where it stood
    pictures  pictures that could not be embedded: embedded again where they still are the item's
    """

    kind: ReplayKind
    attempt: int = 1
    forwarded: bool = False

    def header(self) -> tuple[str, bytes]:
        """The header of the record: `kind:attempt`, and `:forwarded` on its way to its item's partition."""
        words = [self.kind, str(self.attempt), *([_FORWARDED] if self.forwarded else [])]
        return REPLAY_HEADER, ":".join(words).encode()


def replay_of(headers: Headers) -> Replay | None:
    """What the headers of a record say; None for a new change, and when the header is not of our making."""
    if not headers:
        return None
    value = dict(headers).get(REPLAY_HEADER)
    if not isinstance(value, bytes):
        return None
    kind, _, rest = value.decode(errors="replace").partition(":")
    attempt, _, forwarded = rest.partition(":")
    if kind not in _KINDS or not attempt.isascii() or not attempt.isdigit() or len(attempt) > 9:
        return None
    return Replay(cast("ReplayKind", kind), int(attempt), forwarded == _FORWARDED)
