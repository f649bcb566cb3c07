"""What the router believes of the cluster: one generation per request, replicas in turns."""

import pytest

from query_router.placement_view import PlacementView
from schemas.cluster import ClusterView, Generation, Installation, NodeReport, Placement
from schemas.errors import NotReady
from schemas.topics import partition_of

GENERATION = Generation(name="g1", model="fake", fingerprint="f", dimension=4, shards=3)
RECORDS: tuple[Installation | Generation | Placement, ...] = (
    Installation(partitions=12, log_id="log"),
    GENERATION,
    Placement(epoch=1, writer="w", serving="g1", shards={"g1": [["n1", "n2"], ["n2"], ["n3"]]}),
)


def view_of(*records: Installation | Generation | Placement | NodeReport) -> PlacementView:
    view = ClusterView()
    for record in records:
        view.apply(record)
    return PlacementView(lambda: view)


def report(node: str, *shards: int) -> NodeReport:
    return NodeReport(node=node, url=f"http://{node}", serving={"g1": list(shards)})


@pytest.mark.parametrize("left_out", range(3))
def test_not_ready_until_all_three_records_are_known(left_out: int) -> None:
    placement = view_of(*(r for n, r in enumerate(RECORDS) if n != left_out))
    assert len(placement.unknown()) == 1
    with pytest.raises(NotReady):
        placement.pin()


def test_owner_is_the_partition_modulo_shards() -> None:
    pin = view_of(*RECORDS).pin()
    assert pin.generation == GENERATION
    assert all(pin.owner(item_id) == partition_of(item_id, 12) % 3 for item_id in ("a", "ä/b", "sku-1"))


def test_replicas_take_turns() -> None:
    placement = view_of(*RECORDS, report("n1", 0), report("n2", 0, 1))
    firsts = [placement.replicas("g1", 0)[0].node for _ in range(6)]
    assert firsts == ["n1", "n2"] * 3
    assert all(len(placement.replicas("g1", 0)) == 2 for _ in range(3))


def test_only_nodes_that_should_and_do_serve_are_asked() -> None:
    placement = view_of(*RECORDS, report("n1", 1), report("n2", 1), report("n3", 0))
    assert [r.node for r in placement.replicas("g1", 1)] == ["n2"]
    assert placement.replicas("g1", 7) == []
    assert placement.unserved(GENERATION) == [0, 2]
