"""Writing items over the public HTTP API: the bodies of `/v1/items`, their answers, and what is said of an item."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from schemas.changes import MAX_IMAGES, Op

MAX_LISTED = 1000
ItemPhase = Literal["accepted", "embedding", "searchable", "rejected", "no_picture", "not_upserted", "deleted"]
_Version = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class DeleteBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The body of `DELETE /v1/items/{id}`, which may be left out: the version and the time of the change."""

    version: _Version | None = None
    event_time: str | None = None


class PatchBody(DeleteBody, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The body of `PATCH /v1/items/{id}`: the attributes to be set; null is a value."""

    attributes: dict[str, Any]


class PutBody(DeleteBody, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The body of `PUT /v1/items/{id}`: an upsert; without `attributes` or pictures the item keeps that part."""

    image_url: str | None = None
    image_urls: Annotated[list[str], Meta(max_length=MAX_IMAGES)] | None = None
    attributes: dict[str, Any] | None = None


class ListedChange(PutBody, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One change of the list that `POST /v1/items` takes: the same as in `catalog.changes`."""

    op: Op
    item_id: str


class WaitOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of every write: whether, and for how long, to wait for searches to show it."""

    wait: Literal["searchable"] | None = None
    timeout_ms: Annotated[int, Meta(ge=1)] | None = None


class WriteAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a change.

    `version` is the one the change has, or null while it is not known: a change that brings none takes the item's
    version of the moment when it is merged. `applied` and `searchable` are only there when the change was waited for:
    whether searches follow it, and whether they show the item because of it. An applied delete has `applied` true and
    `searchable` false; of every other change the two are equal. When applied, `delay_ms` says after how long; when
    not, `reason` says what is missing. `warnings` name pictures that were left out.
    """

    item_id: str
    version: int | None
    event_time: str
    applied: bool | UnsetType = UNSET
    searchable: bool | UnsetType = UNSET
    delay_ms: float | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    warnings: list[str] | UnsetType = UNSET


class ListedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one change of a list: the status it would have had alone, and its answer or its error."""

    item_id: str | None
    status: int
    answer: WriteAnswer | UnsetType = UNSET
    error: dict[str, Any] | UnsetType = UNSET


class WriteListAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `POST /v1/items`: one per change, in their order; `refused` counts those with an error."""

    accepted: int
    refused: int
    items: list[ListedAnswer]


class NewestChange(msgspec.Struct, frozen=True, kw_only=True):
    """The newest change that was merged: its version and time, and what the item became.

    `state` is `unseen` while only patches have come.
    """

    version: int
    event_time: str
    state: Literal["live", "deleted", "unseen"]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A change, or a picture of one, that was refused not long ago: the reason's code, a sentence, and when.

    `version` is there where it could be read.
    """

    reason: str
    message: str
    at: str
    image: str | None = None
    version: int | None = None


class PictureRetry(msgspec.Struct, frozen=True, kw_only=True):
    """An item whose newest pictures could not be fetched: how often that was tried, why it failed, and when it is tried
    next at the earliest; a host that is known to fail is left alone for longer.
    """

    attempt: int
    next_at: str
    reason: str
    message: str


class ItemStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Why an item is or isn't found: `explanation` in words, the rest for programs.

    `applied` counts the serving replicas that know of the newest change, `found_by` those whose searches show the item,
    of `replicas` that serve its shard. `embedded` says whether the newest pictures' vectors have been applied.
    `accepted` is the time of a change that this router wrote and that is not merged yet.
    """

    item_id: str
    phase: ItemPhase
    searchable: bool
    explanation: str
    generation: str
    replicas: int
    applied: int
    found_by: int
    embedded: bool
    newest: NewestChange | None = None
    accepted: str | None = None
    searchable_at: str | None = None
    retry: PictureRetry | None = None
    rejected: list[Refusal] = []
