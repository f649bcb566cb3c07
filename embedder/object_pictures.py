"""Pictures in object stores, `s3:` and `gs:`, through fsspec, with the credentials of the environment."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from embedder.fetch_attempts import first_answer, quiet_retries
from embedder.fetched import Fetched, Known, Validator, Validators, picture_digest
from embedder.host_slots import HostSlots
from schemas.errors import ImageRejected
from schemas.settings import ImageSettings

PACKAGES = {"s3": "s3fs", "gs": "gcsfs"}
MAX_REF_CHARS = 2048

Filesystem = Any
"""An asynchronous fsspec filesystem; the library has no types."""

OpenFilesystem = Callable[[str, ImageSettings], Awaitable[Filesystem]]


class ObjectPictures:
    """A source of pictures from buckets; see `embedder.fetched.Source`.

    `LOOKALIVE_IMAGES__BUCKETS` names those that may be read: else whoever writes a change reads what the credentials
    can. Addresses and keys come from the usual environment (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, ...).
    """

    def __init__(
        self,
        scheme: str,
        images: ImageSettings,
        slots: HostSlots,
        validators: Validators,
        open_filesystem: OpenFilesystem | None = None,
    ) -> None:
        self._scheme = scheme
        self._images = images
        self._slots = slots
        self._validators = validators
        self._open = open_filesystem or open_store
        self._filesystem: asyncio.Future[Filesystem] | None = None
        self._buckets = frozenset(bucket.rstrip("/") for bucket in images.buckets)
        quiet_retries()

    @asynccontextmanager
    async def fetching(self, ref: str, known: Known) -> AsyncIterator[Fetched]:
        """See `Source.fetching`."""
        bucket, path = self._check(ref)
        slot, fetched = await first_answer(
            self._slots, bucket, self._images.fetch_attempts, lambda: self._read(ref, path, known)
        )
        try:
            yield fetched
        finally:
            slot.release()

    async def close(self) -> None:
        """See `Source.close`."""
        if self._filesystem is None:
            return
        opened, self._filesystem = self._filesystem, None
        if opened.done() and not opened.cancelled() and opened.exception() is None:
            session = getattr(opened.result(), "_s3" if self._scheme == "s3" else "session", None)
            if session is not None:
                await session.close()

    def _check(self, ref: str) -> tuple[str, str]:
        """The bucket as `s3://name`, and the path `name/key`."""
        head, _, path = ref.partition("://")
        name, slash, key = path.partition("/")
        plain = len(ref) <= MAX_REF_CHARS and "@" not in name and ":" not in name and ref.isprintable()
        if head.lower() != self._scheme or not name or not slash or not key or not plain:
            raise ImageRejected(
                f"{ref[:200]!r} is refused: write {self._scheme}://bucket/key, without user, port or odd characters",
                code="image_refused",
            )
        bucket = f"{self._scheme}://{name}"
        if self._buckets and bucket not in self._buckets:
            raise ImageRejected(
                f"{bucket} is not among the buckets that may be read; LOOKALIVE_IMAGES__BUCKETS names them",
                code="image_refused",
            )
        return bucket, path

    async def _read(self, ref: str, path: str, known: Known) -> Fetched:
        limit_s, most = self._images.fetch_timeout_s, self._images.max_bytes
        try:
            async with asyncio.timeout(limit_s):
                store = await self._store()
                info = await store._info(path)
                etag = str(info.get("ETag") or info.get("etag") or "")
                held = self._validators.validator(ref)
                if held is not None and etag and held.etag == etag and known(held.digest):
                    return Fetched(None, held.digest)
                size = int(info.get("size") or 0)
                data = b"" if size == 0 else await store._cat_file(path, start=0, end=min(size, most) + 1)
        except ImageRejected:
            raise
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            raise _unreachable(ref, _first_words(error), temporary=False) from error
        except TimeoutError as error:
            raise _unreachable(ref, f"nothing whole came within {limit_s:g} s") from error
        except Exception as error:
            raise _unreachable(ref, _first_words(error)) from error
        if max(size, len(data)) > most:
            raise ImageRejected(
                f"{ref[:200]} has more than the {most} bytes a picture may have", code="image_too_large", max_bytes=most
            )
        digest = picture_digest(data)
        if etag:
            self._validators.remember(ref, Validator(ref, etag, "", digest))
        return Fetched(data, digest)

    async def _store(self) -> Filesystem:
        """Opened at the first use, once."""
        if self._filesystem is None:
            self._filesystem = asyncio.ensure_future(self._open(self._scheme, self._images))
        opening = self._filesystem
        try:
            return await asyncio.shield(opening)
        except Exception:
            self._filesystem = None
            raise


async def open_store(scheme: str, images: ImageSettings) -> Filesystem:
    """fsspec's filesystem of a scheme, which lives in the running event loop.

    Raises:
        ImageRejected: `image_refused` when the package that reads it is not installed.
    """
    import fsspec

    seconds = max(1, round(images.fetch_timeout_s))
    options: dict[str, Any] = {}
    if scheme == "s3":
        retries = {"max_attempts": 0}
        options["config_kwargs"] = {"connect_timeout": seconds, "read_timeout": seconds, "retries": retries}
    try:
        opened = await asyncio.to_thread(
            fsspec.filesystem, scheme, asynchronous=True, skip_instance_cache=True, use_listings_cache=False, **options
        )
    except ImportError as error:
        raise ImageRejected(
            f"{scheme}: references need the package {PACKAGES[scheme]}, which is not installed", code="image_refused"
        ) from error
    if scheme == "s3":
        await opened.set_session()
    else:
        await opened._set_session()
    return opened


def _first_words(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__


def _unreachable(ref: str, why: str, *, temporary: bool = True) -> ImageRejected:
    return ImageRejected(
        f"{ref[:200]} cannot be fetched: {why}", code="image_unreachable", temporary=temporary, store=ref[:2]
    )
