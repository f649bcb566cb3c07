"""The order of the tests."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those in a browser come last: Playwright leaves a running event loop in the thread until the session ends."""
    items.sort(key=lambda item: "browser" in item.path.parts)
