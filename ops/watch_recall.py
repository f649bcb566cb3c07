"""The recall every shard measures of its own live queries."""

import msgspec

from ops.node_status import ask_nodes
from schemas.cluster_log import read_cluster
from schemas.errors import NotReady
from schemas.settings import KafkaSettings


class RecallRow(msgspec.Struct, frozen=True, kw_only=True):
    """A replica of a shard; `recall_at_10` is None before the first of its `samples`."""

    generation: str
    shard: int
    node: str
    recall_at_10: float | None
    samples: int


def recall_rows(kafka: KafkaSettings) -> list[RecallRow]:
    """Every shard of every node that answers.

    Raises:
        NotReady: Kafka does not answer, or no node does.
    """
    answers = [one.status for one in ask_nodes(read_cluster(kafka)) if one.status is not None]
    if not answers:
        raise NotReady("no shard node answers: is the system running?")
    return [
        RecallRow(
            generation=shard.generation,
            shard=shard.shard,
            node=status.node,
            recall_at_10=shard.recall_at_10,
            samples=shard.recall_samples,
        )
        for status in answers
        for shard in status.shards
    ]
