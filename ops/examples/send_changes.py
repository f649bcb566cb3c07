"""Sends catalogue changes with confluent-kafka: python send_changes.py HOST:PORT < changes.jsonl

Each line of standard input is one change. Nothing of lookalive is needed here but the name of its topic.
"""

import json
import sys

from confluent_kafka import Producer

TOPIC = "catalog.changes"


def main() -> int:
    """Send every line; the exit status is 1 when the broker did not take one."""
    producer = Producer(
        {
            "bootstrap.servers": sys.argv[1],
            # Kafka's own partitioner; librdkafka's default is another one, which costs each change a second trip.
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "compression.type": "lz4",
        }
    )
    failed: list[str] = []
    for line in sys.stdin:
        change = json.loads(line)
        producer.produce(
            TOPIC,
            key=change["item_id"],
            value=line.strip(),
            on_delivery=lambda error, _: failed.append(str(error)) if error is not None else None,
        )
        producer.poll(0)
    left = producer.flush(30)
    if failed or left:
        sys.stderr.write(f"{len(failed) + left} changes were not taken: {failed[:3] or 'no answer'}\n")
    return 1 if failed or left else 0


if __name__ == "__main__":
    sys.exit(main())
