"""One query's way: pin a generation, get vectors, ask every shard, merge, answer within the deadline."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import structlog

from embedder.model_queue import Embedded
from query_router.fan_out import FanOut, ShardAnswer, counts_of
from query_router.merge import Candidate, merge, page, unknown_to_all
from query_router.metrics import RouterMetrics
from query_router.placement_view import Pin, PlacementView
from query_router.query import Item, Picture, PictureUrl, Query, Vector
from query_router.query_embedding import QueryEmbedder
from query_router.search_samples import SearchSamples
from schemas.errors import Conflict, InputError, NotReady
from schemas.queries import (
    Hit,
    ItemAnswer,
    SearchAnswer,
    SearchOptions,
    ShardHits,
    ShardSearch,
    StoredItem,
    pack_vector,
    unpack_vector,
)
from schemas.settings import RouterSettings

NO_SHARDS = "no_shards"
MERGE_SHARE, MERGE_MIN_S, MERGE_MAX_S = 0.05, 0.002, 0.05
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_US = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)

Float32Array = npt.NDArray[np.float32]
log = structlog.get_logger()


class Wanted(NamedTuple):
    """What the shards are asked for: unit vectors of shape (n, dimension), and an item to leave out.

    `picture` is what became of the picture that was searched by.
    """

    vectors: Float32Array
    exclude: str | None = None
    picture: Embedded | None = None


class SearchService:
    """Answers queries and item look-ups from the shards of the generation that is searched."""

    def __init__(
        self,
        settings: RouterSettings,
        placement: PlacementView,
        fan_out: FanOut,
        embedder: QueryEmbedder,
        metrics: RouterMetrics,
        samples: SearchSamples,
    ) -> None:
        self._settings = settings
        self._samples = samples
        self._placement = placement
        self._fan_out = fan_out
        self._embedder = embedder
        self._metrics = metrics

    async def search(self, query: Query) -> SearchAnswer:
        """The answer, within the query's deadline; a shard that is missing from it is counted in `shards`.

        Raises:
            InputError, ImageRejected: a vector or a picture that cannot be searched with.
            Conflict: the query is for another generation than the one that is searched.
            UnknownItem: the item to look for cannot be found.
            Busy: too many pictures wait to be embedded.
            NotReady: the cluster is not known yet, or `no_embedder`.
        """
        clock = asyncio.get_running_loop().time
        started_s = clock()
        timeout_s = self._timeout_s(query.options)
        until_s = started_s + timeout_s - min(max(MERGE_SHARE * timeout_s, MERGE_MIN_S), MERGE_MAX_S)
        with self._metrics.stage("total"):
            pin = self._placement.pin()
            if query.generation not in (None, pin.generation.name):
                raise _other_generation(query.generation, pin)
            wanted = await self._wanted(query, pin, until_s)
            with self._metrics.stage("fan-out"):
                answers = await self._fan_out.search(pin, _shard_searches(wanted, query), until_s)
            with self._metrics.stage("merge"):
                answer = _answer(query.options, pin, answers)
        took_ms = round((clock() - started_s) * 1000, 3)
        self._note(answer, took_ms)
        if wanted.picture is not None and _is_telling(query, answer):
            self._samples.note(answer, wanted.picture)
        return msgspec.structs.replace(answer, took_ms=took_ms)

    async def item(self, item_id: str) -> ItemAnswer:
        """What its shard has of an item.

        Raises:
            UnknownItem: it cannot be found.
            NotReady: its shard cannot be asked.
        """
        pin = self._placement.pin()
        until_s = asyncio.get_running_loop().time() + self._timeout_s(SearchOptions())
        stored = await self._fan_out.item(pin, item_id, until_s)
        return ItemAnswer(
            item_id=stored.item_id,
            version=stored.version,
            attributes=msgspec.Raw(stored.attributes),
            generation=pin.generation.name,
            event_time=iso_time(stored.event_us),
            searchable_at=iso_time(stored.searchable_us),
        )

    def _timeout_s(self, options: SearchOptions) -> float:
        wanted_ms = self._settings.timeout_ms if options.timeout_ms is None else options.timeout_ms
        return min(wanted_ms, self._settings.max_timeout_ms) / 1000

    async def _wanted(self, query: Query, pin: Pin, until_s: float) -> Wanted:
        match query.source:
            case Picture(data):
                return await self._embedded(data, query, pin, until_s)
            case PictureUrl(url):
                with self._metrics.stage("fetch"):
                    fetched = await self._embedder.fetch(url, until_s)
                return await self._embedded(fetched, query, pin, until_s)
            case Vector(values):
                return Wanted(unit_vector(values, pin.generation.dimension)[np.newaxis])
            case Item(item_id):
                with self._metrics.stage("lookup"):
                    stored = await self._fan_out.item(pin, item_id, until_s)
                return Wanted(_vectors_of(stored, pin), item_id)

    async def _embedded(self, data: bytes, query: Query, pin: Pin, until_s: float) -> Wanted:
        with self._metrics.stage("embed"):
            embedded = await self._embedder.embed(data, query.options.crop, pin.generation, until_s)
        return Wanted(embedded.vector[np.newaxis], picture=embedded)

    def _note(self, answer: SearchAnswer, took_ms: float) -> None:
        """One line for a query that was slow or lacks shards; none for all others."""
        shards = answer.shards
        if shards.ok == shards.total and took_ms <= self._settings.timeout_ms / 2:
            return
        log.warning(
            "slow_or_partial_query",
            query_id=answer.query_id,
            took_ms=took_ms,
            shards_ok=shards.ok,
            shards_failed=shards.failed,
            shards_timed_out=shards.timed_out,
        )


def _is_telling(query: Query, answer: SearchAnswer) -> bool:
    """Whether its best score is that of the picture in the whole index: no canary, no later page, no missing shard."""
    return not query.canaries and not query.options.offset and answer.shards.ok == answer.shards.total


def unit_vector(values: tuple[float, ...], dimension: int) -> Float32Array:
    """The float32 vector of length 1 in the direction of `values`, of shape (dimension,).

    Raises:
        InputError: another dimension, numbers that are not finite, or no direction at all.
    """
    if len(values) != dimension:
        raise InputError(
            f"`vector` has {len(values)} numbers; the generation's have {dimension}",
            field="vector",
            dimension=dimension,
        )
    raw = np.array(values, dtype=np.float64)
    largest = np.max(np.abs(raw), initial=0.0)
    if not np.isfinite(largest) or largest == 0.0:
        raise InputError("`vector` must be finite and not zero", field="vector")
    scaled = raw / largest
    unit: Float32Array = (scaled / np.linalg.norm(scaled)).astype(np.float32)
    return unit


def iso_time(time_us: int) -> str:
    """Microseconds since the epoch as ISO 8601 in UTC; what lies outside the calendar is its first or last moment."""
    moment = _EPOCH + timedelta(microseconds=min(max(time_us, 0), _LATEST_US))
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _other_generation(asked: str | None, pin: Pin) -> Conflict:
    serving = pin.generation.name
    return Conflict(
        f"the query is for generation {asked!r}; {serving!r} is the one searched",
        code="other_generation",
        generation=serving,
    )


def _shard_searches(wanted: Wanted, query: Query) -> list[ShardSearch]:
    options = query.options
    return [
        ShardSearch(
            vector=pack_vector(vector),
            k=options.offset + options.k,
            filter=options.filter,
            include_attributes=options.include_attributes,
            exact=options.exact,
            exclude=wanted.exclude,
            canaries=query.canaries,
        )
        for vector in wanted.vectors
    ]


def _vectors_of(stored: StoredItem, pin: Pin) -> Float32Array:
    vectors = [unpack_vector(data) for data in stored.vectors if len(data) == 4 * pin.generation.dimension]
    if not vectors or len(vectors) != len(stored.vectors):
        raise NotReady(f"the shard of {stored.item_id!r} has no vectors of {pin.generation.name}")
    rows = np.stack(vectors).astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths) & (lengths > 0)):
        raise NotReady(f"the shard of {stored.item_id!r} has a vector without direction")
    units: Float32Array = (rows / lengths).astype(np.float32)
    return units


def _answer(options: SearchOptions, pin: Pin, answers: list[ShardAnswer]) -> SearchAnswer:
    found: list[ShardHits] = [hits for answer in answers for hits in answer.hits]
    shards = counts_of(answers)
    return SearchAnswer(
        query_id=uuid.uuid4().hex,
        generation=pin.generation.name,
        took_ms=0.0,
        items=[_hit(c) for c in page(merge(found), options.min_score, options.offset, options.k)],
        shards=shards,
        degraded=None if shards.ok else NO_SHARDS,
        warnings=[f"no item has the attribute {name!r}" for name in unknown_to_all(found)],
    )


def _hit(candidate: Candidate) -> Hit:
    raw = candidate.attributes
    return Hit(candidate.item_id, candidate.score, msgspec.UNSET if raw is None else msgspec.Raw(raw))
