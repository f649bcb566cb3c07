"""What fetching a picture gives, and what is remembered of pictures so that they need not come again."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

import msgspec

DIGEST_BYTES = 32

Known = Callable[[bytes], bool]
"""Whether everything that follows from the picture of this digest is known, so that it need not be sent."""


class Fetched(NamedTuple):
    """A picture: its encoded bytes and their digest; no bytes when its source says that it is still that one."""

    data: bytes | None
    digest: bytes


class Source(Protocol):
    """Where pictures of one URL scheme come from."""

    def fetching(self, ref: str, known: Known) -> AbstractAsyncContextManager[Fetched]:
        """The picture of a reference; it has room in memory until the context is left.

        Raises:
            ImageRejected: the reference is not allowed, cannot be reached, or its picture is too large.
        """

    async def close(self) -> None:
        """Gives connections back."""


class Validator(msgspec.Struct, frozen=True, array_like=True):
    """What a server said of the picture at a URL (RFC 9110, section 8.8), and the digest of the bytes it sent.

    `url` is where redirects led: the validators of one address mean nothing to another.
    """

    url: str
    etag: str
    last_modified: str
    digest: bytes


class Validators(Protocol):
    """A memory of validators."""

    def validator(self, ref: str) -> Validator | None:
        """What is remembered of the picture at this reference."""

    def remember(self, ref: str, validator: Validator) -> None:
        """Keeps it for the next time."""


class NoValidators:
    """Remembers nothing: every picture is sent again."""

    def validator(self, ref: str) -> Validator | None:
        """See `Validators`."""
        return None

    def remember(self, ref: str, validator: Validator) -> None:
        """See `Validators`."""


def picture_digest(data: bytes) -> bytes:
    """32 bytes (BLAKE2b) that name these encoded bytes."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def nothing_known(digest: bytes) -> bool:
    """For whoever wants the bytes whatever they are."""
    return False
