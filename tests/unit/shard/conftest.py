"""What the tests of a shard share."""

import pytest


@pytest.fixture(params=["fp16", "small"])
def storage(request: pytest.FixtureRequest) -> str:
    """Each kind of graph: vectors in memory, and codes there with the vectors on disk."""
    kind: str = request.param
    return kind
