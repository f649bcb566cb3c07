"""Writing when Kafka takes nothing: a bounded queue, then 429, and 503 within the deadline."""

import asyncio
import time
from typing import Any

from query_router.change_log import ACKNOWLEDGED_WITHIN_S
from schemas.settings import KafkaSettings, RouterSettings
from tests.process.router.conftest import Stage, until

BODY = {"attributes": {"a": 1}}
NOBODY = KafkaSettings(bootstrap_servers="127.0.0.1:1")
SLACK_S = 20.0


async def put(stage: Stage, item_id: str) -> tuple[int, Any]:
    return await stage.ask("PUT", f"/v1/items/{item_id}", json=BODY)


async def test_full_queue_is_busy_and_a_missing_broker_is_said(make_stage: Any) -> None:
    stage: Stage = await make_stage(kafka=NOBODY, router=RouterSettings(port=0, timeout_ms=20_000, write_queue=3))
    started_s = time.monotonic()
    asked = [asyncio.create_task(put(stage, f"i{n}")) for n in range(10)]
    answers = await asyncio.gather(*asked)
    statuses = [status for status, _ in answers]
    assert sorted(statuses) == [429] * 7 + [503] * 3
    refused = [body["error"] for status, body in answers if status == 503]
    assert {error["code"] for error in refused} == {"no_broker"}
    assert any("timed out" in error["message"] for error in refused), "the producer itself must give up, and say so"
    assert time.monotonic() - started_s < ACKNOWLEDGED_WITHIN_S + SLACK_S

    async def taken_again() -> bool:
        task = asyncio.create_task(put(stage, "next"))
        done, _ = await asyncio.wait({task}, timeout=0.2)
        task.cancel()
        return not done or task.result()[0] != 429

    await until(taken_again)
    assert (await stage.ask("GET", "/healthz"))[0] == 200


async def test_list_has_room_for_none(make_stage: Any) -> None:
    stage: Stage = await make_stage(kafka=NOBODY, router=RouterSettings(port=0, write_queue=1))
    changes = [{"op": "delete", "item_id": f"i{n}"} for n in range(3)]
    status, body = await stage.ask("POST", "/v1/items", json=changes)
    assert status == 503
    assert sorted(one["status"] for one in body["error"]["details"]["items"]) == [429, 429, 503]


async def test_waits_are_bounded(make_stage: Any) -> None:
    stage: Stage = await make_stage(kafka=NOBODY, router=RouterSettings(port=0, max_waits=2))
    changes = [{"op": "delete", "item_id": f"i{n}"} for n in range(3)]
    status, body = await stage.ask("POST", "/v1/items?wait=searchable", json=changes)
    assert (status, body["error"]["code"]) == (429, "busy")


async def test_without_a_kafka_nothing_is_written(stage: Stage) -> None:
    status, body = await put(stage, "i")
    assert status == 503
    assert "no Kafka" in body["error"]["message"]
