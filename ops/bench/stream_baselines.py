"""What streaming costs without us: a Faust agent that does nothing, and a bare consumer.

    python -m ops.bench.stream_baselines GROUP TOPIC

is the agent, in a process of its own; it reads its settings from the environment and commits as ours do. Its app has
the settings of ours, but Faust's own consumer, which hands on record by record: what any user of Faust gets.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from confluent_kafka import TopicPartition

from schemas.kafka_clients import end_offsets, make_reader
from schemas.settings import KafkaSettings, load_settings

BATCH = 500


def bare_rate(kafka: KafkaSettings, topic: str) -> float:
    """Records per second of this process's processor time that a confluent consumer reads, doing nothing with them."""
    reader = make_reader(kafka)
    try:
        ends = end_offsets(reader, topic, range(kafka.partitions))
        total = sum(high - low for low, high in ends.values())
        reader.assign([TopicPartition(topic, partition, low) for partition, (low, _) in ends.items()])
        seen, begun_s = 0, time.process_time()
        while seen < total:
            seen += sum(message.error() is None for message in reader.consume(BATCH, timeout=1.0))
        return seen / max(time.process_time() - begun_s, 1e-6)
    finally:
        reader.close()


async def run_no_op(group: str, topic: str) -> None:
    """Take records for ever, event by event, and acknowledge them."""
    from streams.faust_app import make_app, raw_topic

    settings = load_settings(os.environ)
    with tempfile.TemporaryDirectory(prefix="lookalive-no-op-") as folder:
        app = make_app(group, settings.kafka, Path(folder), plain=True)

        async def nothing(stream: Any) -> None:
            async for event in stream.noack().events():
                await stream.ack(event)

        app.agent(raw_topic(app, topic, settings.kafka.partitions), name="nothing")(nothing)
        await app.start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(run_no_op(sys.argv[1], sys.argv[2]))
