"""The settings of `catalog.retries`; they are a section of `schemas.settings`."""

from typing import Annotated

import msgspec
from msgspec import Meta


class RetrySettings(msgspec.Struct, frozen=True, kw_only=True):
    attempts: Annotated[
        int, Meta(description="times an item's pictures are tried to be fetched before they are rejected", ge=1)
    ] = 10
    first_s: Annotated[
        float, Meta(description="seconds after the first failed time; doubled after each further one", gt=0)
    ] = 5.0
    longest_s: Annotated[float, Meta(description="seconds between two times at most", gt=0)] = 900.0
    window: Annotated[
        int, Meta(description="waiting items held in memory per partition; the others wait in the topic", ge=1)
    ] = 1000
    at_once: Annotated[int, Meta(description="waiting items tried again at the same time", ge=1)] = 32
