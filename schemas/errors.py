"""Every error lookalive raises on purpose, in one tree.

    LookaliveError
    ├── InputError                 400  what was asked cannot be understood
    │   ├── ChangeRejected              a catalogue change that cannot be taken
    │   ├── ImageRejected          422  a picture that cannot be embedded
    │   └── TooLarge               413  more bytes than are taken
    ├── UnknownItem                404  no such item can be found
    ├── UnknownShard               404  this node does not hold the shard
    ├── NoPicture                  404  the item has no picture that can be shown
    ├── Forbidden                  403  whoever asks may not
    ├── ChangeRefused              422  a change that was written and then refused
    ├── Conflict                   409  a newer version, or another embedding space
    ├── Busy                       429  a bounded queue is full
    ├── NotReady                   503  a part that is needed is not there yet
    │   └── DiskFailed                  the disk is full or fails
    ├── VectorInvalid                   the model made no usable vector of a picture
    ├── ModelFailed                     the model itself failed on a batch
    ├── SettingsError                   the installation is configured wrongly
    └── LogError                        the log is not what it must be
        └── LogGap                      changes were dropped by the broker before they were read

An error carries a machine-readable `code`, a sentence for people and `details` with the numbers. The HTTP layers map
it to a status once, in one middleware; streams map `code` to the reason of a row in `catalog.rejects`.
"""

from typing import Any, ClassVar, Literal, get_args

ImageReason = Literal[
    "image_unreachable",
    "image_refused",
    "image_too_large",
    "image_corrupt",
    "image_unsupported",
    "image_blank",
]
ChangeReason = Literal["bad_json", "bad_schema", "bad_id"]
RejectReason = Literal[
    "bad_json",
    "bad_schema",
    "bad_id",
    "image_unreachable",
    "image_refused",
    "image_too_large",
    "image_corrupt",
    "image_unsupported",
    "image_blank",
    "vector_invalid",
]
REJECT_REASONS: tuple[str, ...] = get_args(RejectReason)


EXIT_GAP, EXIT_CONFIG = 65, 78
"""Exit statuses of a role that starting again cannot mend (EX_DATAERR and EX_CONFIG of sysexits.h)."""


class LookaliveError(Exception):
    """The root: anything lookalive says no to."""

    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, code: str = "internal", **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class InputError(LookaliveError):
    """The caller sent something that cannot be understood; `details` says what was expected."""

    http_status = 400

    def __init__(self, message: str, *, code: str = "bad_request", **details: Any) -> None:
        super().__init__(message, code=code, **details)


class ChangeRejected(InputError):
    """A catalogue change that cannot be taken; becomes a row in `catalog.rejects`."""

    def __init__(self, message: str, *, code: ChangeReason, **details: Any) -> None:
        super().__init__(message, code=code, **details)


class ImageRejected(InputError):
    """A picture that cannot be embedded; a 422 for a query, a row in `catalog.rejects` for a change.

    `temporary` says that trying again later may help.
    """

    http_status = 422

    def __init__(self, message: str, *, code: ImageReason, temporary: bool = False, **details: Any) -> None:
        super().__init__(message, code=code, **({"temporary": True} if temporary else {}), **details)
        self.temporary = temporary


class TooLarge(InputError):
    """More bytes than are taken."""

    http_status = 413

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, code="too_large", **details)


class UnknownItem(LookaliveError):
    """The item cannot be found: never seen, deleted, or not searchable yet."""

    http_status = 404

    def __init__(self, item_id: str) -> None:
        super().__init__(f"no item {item_id!r} can be found", code="unknown_item", item_id=item_id)


class UnknownShard(LookaliveError):
    """The node that was asked does not hold this shard of this generation."""

    http_status = 404

    def __init__(self, generation: str, shard: int) -> None:
        super().__init__(
            f"this node does not hold shard {shard} of generation {generation!r}",
            code="unknown_shard",
            generation=generation,
            shard=shard,
        )


class NoPicture(LookaliveError):
    """The item has no picture that can be shown; `details` says why the ones it names cannot.

    Its code is `picture_gone` where a file it names is no longer there.
    """

    http_status = 404

    def __init__(self, message: str, *, code: str = "no_picture", **details: Any) -> None:
        super().__init__(message, code=code, **details)


class Forbidden(LookaliveError):
    """Whoever asks may not: another web site behind a user's browser, for example."""

    http_status = 403

    def __init__(self, message: str, *, code: str = "forbidden", **details: Any) -> None:
        super().__init__(message, code=code, **details)


class ChangeRefused(LookaliveError):
    """A change that was written and then refused; its code is the reason of the row in `catalog.rejects`."""

    http_status = 422


class Conflict(LookaliveError):
    """The request belongs to another version or another embedding space."""

    http_status = 409

    def __init__(self, message: str, *, code: str = "conflict", **details: Any) -> None:
        super().__init__(message, code=code, **details)


class Busy(LookaliveError):
    """A bounded queue is full; trying again later helps."""

    http_status = 429

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, code="busy", **details)


class NotReady(LookaliveError):
    """A part that is needed is not there yet; `details` says which."""

    http_status = 503

    def __init__(self, message: str, *, code: str = "not_ready", **details: Any) -> None:
        super().__init__(message, code=code, **details)


class DiskFailed(NotReady):
    """What must be on disk can be written or read no more; the message says where and why."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, code="disk_failed", **details)


class VectorInvalid(LookaliveError):
    """The model made a vector that is not finite or has no length; a row in `catalog.rejects` for a change."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, code="vector_invalid", **details)


class ModelFailed(LookaliveError):
    """The model raised on a whole batch; the pictures may be fine, so trying again may help."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, code="model_failed", **details)


class SettingsError(LookaliveError):
    """The installation is configured wrongly; the process does not start."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, code="settings", **details)


class LogError(LookaliveError):
    """The log is not what it must be: missing, of another identity, or of another partition count."""

    def __init__(self, message: str, *, code: str = "log", **details: Any) -> None:
        super().__init__(message, code=code, **details)


class LogGap(LogError):
    """The broker dropped changes before they were read; going on would lose them without a word."""

    def __init__(self, topic: str, partition: int, wanted: int, oldest: int) -> None:
        super().__init__(
            f"{topic}/{partition}: offsets {wanted} to {oldest - 1} were dropped by the broker before they were read",
            code="log_gap",
            topic=topic,
            partition=partition,
            wanted=wanted,
            oldest=oldest,
        )


def error_body(error: LookaliveError) -> dict[str, Any]:
    """The one shape of every HTTP error answer."""
    return {"error": {"code": error.code, "message": error.message, "details": error.details}}
