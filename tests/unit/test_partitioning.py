"""Where an item lives: Kafka's own murmur2, and shards as groupings of partitions."""

from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import partition_of, partitions_of, shard_of


@given(st.text(min_size=1, max_size=100), st.integers(1, 144))
def test_partition_is_that_of_the_java_client(item_id: str, partitions: int) -> None:
    assert partition_of(item_id, partitions) == (murmur2(item_id.encode()) & 0x7FFFFFFF) % partitions


@given(st.integers(1, 144), st.data())
def test_shards_share_out_the_partitions(partitions: int, data: st.DataObject) -> None:
    shards = data.draw(st.integers(1, partitions))
    owned = [partitions_of(shard, shards, partitions) for shard in range(shards)]
    assert sorted(p for one in owned for p in one) == list(range(partitions))
    assert all(shard_of(p, shards) == shard for shard, one in enumerate(owned) for p in one)
