"""Drift as an operator sees it: pictures and searches turn grey, it is said, and a new reference takes them."""

import base64
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from PIL import Image, ImageOps

from ops.watch_drift import watch as looks
from schemas.drift_records import SOURCES
from schemas.drift_settings import DriftSettings
from schemas.search_events import decode_impression
from schemas.settings import KafkaSettings
from tests.process.conftest import RunningSystem
from tests.process.pictures import encoded, picture

REFERENCE, WINDOW = 150, 100
SIDE = (32, 32)

pytestmark = pytest.mark.timeout(240)


def watch(system: RunningSystem, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit status and what was printed."""
    command = [sys.executable, "-m", "ops.cli", "watch", "drift", "--json", *words]
    done = subprocess.run(command, env=system.environ, capture_output=True, timeout=90, check=False)
    assert done.returncode in (0, 1, 3), done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


def states(system: RunningSystem) -> dict[str, str]:
    """Source -> its state, without a process of its own."""
    kafka = KafkaSettings(bootstrap_servers=system.endpoints["kafka"], embedded=True)
    limits = DriftSettings(reference=REFERENCE, window=WINDOW)
    return {one.source: one.state for one in next(looks(kafka, limits, None)).sources}


def grey(image: Image.Image) -> Image.Image:
    return ImageOps.grayscale(image).convert("RGB")


def same(image: Image.Image) -> Image.Image:
    return image


class Shop:
    """Items and searches, each picture another one."""

    def __init__(self, system: RunningSystem, folder: Path) -> None:
        self.system, self.folder, self.sent = system, folder, 0

    def put(self, count: int, change: Callable[[Image.Image], Image.Image] = same) -> None:
        for _ in range(count):
            self.sent += 1
            path = self.folder / f"{self.sent}.png"
            path.write_bytes(encoded(change(picture(self.sent, SIDE))))
            self.system.send({"op": "upsert", "item_id": f"item-{self.sent}", "image_url": f"file://{path}"})
        self.system.flush()

    def search(self, seeds: range, change: Callable[[Image.Image], Image.Image] = same) -> None:
        def one(seed: int) -> int:
            data = base64.b64encode(encoded(change(picture(f"query-{seed}", SIDE)))).decode()
            return self.system.post("/v1/search", {"image_b64": data, "k": 3})[0]

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(one, seeds)) == {200}


def metric(system: RunningSystem, sample: str) -> float:
    """A sample of the stream worker; 0 where there is none."""
    url = json.loads((system.data_dir / "run" / "stream-1.json").read_bytes())["url"]
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(sample)), 0.0)


def impressions(system: RunningSystem) -> int:
    """How many searches by a picture were told; each record is read and understood."""
    kafka = system.endpoints["kafka"]
    reader = Consumer({"bootstrap.servers": kafka, "group.id": "test", "auto.offset.reset": "earliest", "log_level": 0})
    found = 0
    try:
        for partition in range(system.endpoints["partitions"]):
            _, end = reader.get_watermark_offsets(TopicPartition("search.events", partition), timeout=10)
            reader.assign([TopicPartition("search.events", partition, 0)])
            for _ in range(end):
                message = reader.poll(10)
                assert message is not None
                impression = decode_impression(message.value() or b"")
                assert impression is not None
                assert message.key() == impression.query_id.encode()
                assert [item.score for item in impression.items] == sorted(
                    (item.score for item in impression.items), reverse=True
                )
                found += 1
    finally:
        reader.close()
    return found


def test_a_planted_shift_is_told_and_a_new_reference_takes_it(
    start_system: Callable[..., RunningSystem], tmp_path: Path
) -> None:
    system = start_system(
        LOOKALIVE_NODE__COUNT="1",
        LOOKALIVE_DRIFT__REFERENCE=str(REFERENCE),
        LOOKALIVE_DRIFT__WINDOW=str(WINDOW),
        LOOKALIVE_DRIFT__QUERIES_PER_S="1000",
    )
    shop = Shop(system, tmp_path)
    code, look = watch(system)
    assert (code, look["holds"]) == (3, None)
    assert {one["source"]: one["state"] for one in look["sources"]} == dict.fromkeys(SOURCES, "collecting")

    shop.put(REFERENCE + WINDOW)
    system.eventually(lambda: states(system)["catalogue"], "calm")
    shop.search(range(REFERENCE + WINDOW))
    assert system.post("/v1/search", {"item_id": "item-1"})[0] == 200
    system.eventually(lambda: states(system)["queries"], "calm")
    code, look = watch(system)
    assert (code, look["holds"]) == (0, True)
    for one in look["sources"]:
        assert one["items"] == WINDOW
        assert one["reference_items"] == REFERENCE
        assert len(one["psi"]) == 64
        assert one["mean_norm"] == pytest.approx(one["reference_mean_norm"], rel=0.2)
    assert impressions(system) == REFERENCE + WINDOW

    shop.put(WINDOW, grey)
    shop.search(range(1000, 1000 + WINDOW), grey)
    system.eventually(lambda: states(system), dict.fromkeys(SOURCES, "drift"))
    code, look = watch(system)
    assert (code, look["holds"]) == (1, False)
    catalogue, queries = look["sources"]
    assert "dimensions" in catalogue["alarms"]
    assert catalogue["score_psi"] is None
    assert queries["score_psi"] is not None
    label = 'generation="g1",of="dimensions",source="catalogue"'
    assert metric(system, f"lookalive_drift_alarm{{{label}}}") == 1.0
    assert metric(system, 'lookalive_drift_dimension_psi{dimension="63",generation="g1",source="catalogue"}') > 0

    code, said = watch(system, "--renew", "catalogue", "--dry-run")
    assert (code, said["sent"], [one["source"] for one in said["renewed"]]) == (0, False, ["catalogue"])
    assert states(system) == dict.fromkeys(SOURCES, "drift")
    assert watch(system, "--renew", "catalogue")[0] == 0
    assert states(system) == {"catalogue": "collecting", "queries": "drift"}
    shop.put(REFERENCE + WINDOW, grey)
    system.eventually(lambda: states(system)["catalogue"], "calm")
    code, look = watch(system, "--threshold", "1000", "--mean-threshold", "1000")
    alarms = {alarm for one in look["sources"] for alarm in one["alarms"]}
    assert alarms <= {"collapsed"}
    assert code == len(alarms)
