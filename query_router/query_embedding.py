"""Queries' pictures to vectors: the same worker and model as the catalogue's, checked against the generation."""

import asyncio

from prometheus_client import CollectorRegistry

from embedder.batcher import EmbeddingWorker
from embedder.fetch import query_fetcher
from embedder.metrics import EmbedderMetrics
from embedder.model_queue import Embedded
from embedder.models.registry import load_encoder
from query_router.background import in_daemon_thread
from schemas.cluster import Generation
from schemas.errors import ImageRejected, ModelFailed, NotReady, TooLarge, VectorInvalid
from schemas.queries import Crop
from schemas.settings import ImageSettings, ModelSettings

NO_EMBEDDER = "no_embedder"
STOP_S = 1.0
FETCH_SHARE = 0.75


class QueryEmbedder:
    """The router's own embedding worker; until `start` returns it says no.

    Whatever keeps a picture from being embedded, save the picture itself and a full queue, is a NotReady of the code
    `no_embedder`.
    """

    def __init__(self, model: ModelSettings, images: ImageSettings, registry: CollectorRegistry) -> None:
        self._model = model
        self._images = images
        self._metrics = EmbedderMetrics(registry)
        self._fetcher = query_fetcher(images, self._metrics)
        self._worker: EmbeddingWorker | None = None

    async def start(self) -> None:
        """Load the model, aside from the event loop, and begin to embed.

        Raises:
            SettingsError: there is no such model, or its weights cannot be had.
        """
        encoder = await in_daemon_thread(lambda: load_encoder(self._model), "load-encoder")
        worker = EmbeddingWorker(encoder, self._fetcher, self._images, self._model, self._metrics)
        await worker.start()
        self._worker = worker

    async def stop(self) -> None:
        """Let the pictures inside finish for a moment, then end."""
        if self._worker is not None:
            await self._worker.stop(timeout_s=STOP_S)
        await self._fetcher.close()

    def problems(self, generation: Generation | None = None) -> list[str]:
        """Why pictures cannot be embedded (for this generation), as sentences; empty when they can."""
        if self._worker is None:
            return [f"the model {self._model.name!r} is not loaded yet"]
        if not self._worker.healthy:
            return [f"the model {self._model.name!r} has failed"]
        encoder = self._worker.encoder
        if generation is None or encoder.fingerprint == generation.fingerprint:
            return []
        return [
            f"the router's model {encoder.name!r} ({encoder.fingerprint}) is not that of generation "
            f"{generation.name!r}, {generation.model!r} ({generation.fingerprint})"
        ]

    async def fetch(self, url: str, until_s: float) -> bytes:
        """The picture at a URL that a query names, with time left to search for it by `until_s` of the loop's clock.

        Raises:
            ImageRejected: it cannot be fetched, or not from there, or not in time.
            TooLarge: it has more bytes than are taken.
        """
        now_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(now_s + FETCH_SHARE * max(until_s - now_s, 0.0)):
                return await self._fetcher.fetch(url)
        except TimeoutError as error:
            raise ImageRejected(
                "the picture at `image_url` did not come in time: give a longer `timeout_ms`, or send the picture",
                code="image_unreachable",
                temporary=True,
            ) from error
        except ImageRejected as error:
            if error.code == "image_too_large":
                raise TooLarge(error.message, **error.details) from error
            raise

    async def embed(self, data: bytes, crop: Crop | None, generation: Generation, until_s: float) -> Embedded:
        """The unit vector (dimension,) of an encoded picture, by `until_s` of the event loop's clock.

        Raises:
            ImageRejected: it cannot be embedded.
            Busy: too many wait already.
            NotReady: `no_embedder`.
        """
        problems = self.problems(generation)
        if problems or self._worker is None:
            raise NotReady("; ".join(problems), code=NO_EMBEDDER)
        try:
            async with asyncio.timeout_at(until_s):
                return await self._worker.embed(data, crop, wait=False)
        except TimeoutError as error:
            raise NotReady("the picture was not embedded in time", code=NO_EMBEDDER) from error
        except VectorInvalid as error:
            raise ImageRejected("the picture shows nothing to be found by", code="image_blank") from error
        except (NotReady, ModelFailed) as error:
            raise NotReady(f"the picture could not be embedded: {error.message}", code=NO_EMBEDDER) from error
