"""A stream worker whose event loop never returns from the first change of an item named "stuck-...", as a hung disk or
driver would have it: `python -m tests.process.stuck_worker`.
"""

import os
import sys
import threading

from schemas.settings import load_settings
from streams.main import run_stream
from streams.merge import Incoming, Merged, MergeHandler


def hang() -> None:
    """Put the fault in."""
    settle = MergeHandler.settle

    def settle_or_hang(self: MergeHandler, incoming: Incoming, held: bytes | None) -> Merged:
        if incoming.change.item_id.startswith("stuck-"):
            threading.Event().wait()
        return settle(self, incoming, held)

    MergeHandler.settle = settle_or_hang  # type: ignore[method-assign]


if __name__ == "__main__":
    hang()
    sys.exit(run_stream(load_settings(os.environ)))
