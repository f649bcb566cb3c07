"""A node that stops answering is missing from the counts, not an error, and the answer keeps its deadline."""

import os
import signal
from collections.abc import Callable

from tests.process.conftest import RunningSystem
from tests.process.pictures import data_url, picture


def test_answers_without_the_stalled_shards(start_system: Callable[..., RunningSystem]) -> None:
    system = start_system(LOOKALIVE_NODE__COUNT="3")
    names = [f"item-{n}" for n in range(30)]
    for name in names:
        system.send({"op": "upsert", "item_id": name, "image_url": data_url(picture(name))})
    system.flush()
    system.eventually(lambda: sorted(system.found(names)), sorted(names))
    query = {"image_b64": data_url(picture("item-3")).partition(",")[2], "k": 100, "timeout_ms": 1500}
    stalled = system.endpoints["pids"]["node/n2"]
    os.kill(stalled, signal.SIGSTOP)
    try:
        status, answer = system.post("/v1/search", query)
        assert status == 200
        assert answer["shards"] == {"total": 3, "ok": 2, "failed": 0, "timed_out": 1}
        assert 0 < len(answer["items"]) < 30
        assert answer["took_ms"] <= 1500
    finally:
        os.kill(stalled, signal.SIGCONT)
    system.eventually(lambda: system.post("/v1/search", query)[1]["shards"]["ok"], 3)
