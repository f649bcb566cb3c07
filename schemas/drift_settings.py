"""The settings of the drift measure; they are a section of `schemas.settings`."""

from typing import Annotated

import msgspec
from msgspec import Meta


class DriftSettings(msgspec.Struct, frozen=True, kw_only=True):
    reference: Annotated[
        int, Meta(description="pictures whose vectors make a reference window, of catalogue and queries each", ge=100)
    ] = 500
    window: Annotated[
        int, Meta(description="newest pictures that are compared with the reference, per stream worker", ge=50)
    ] = 400
    psi: Annotated[
        float,
        Meta(
            description="population stability index of lengths, scores or one dimension above which there is an alarm",
            gt=0,
        ),
    ] = 0.25
    mean_psi: Annotated[
        float,
        Meta(
            description="the same of the mean over a vector's dimensions, above what chance makes of it on average",
            gt=0,
        ),
    ] = 0.02
    collapsed: Annotated[
        float,
        Meta(description="share of dimensions that hardly vary any more, beyond the reference's, for an alarm", gt=0),
    ] = 0.1
    queries_per_s: Annotated[
        float,
        Meta(description="searches by a picture that a router tells in `search.events` per second at most", ge=0),
    ] = 20.0
