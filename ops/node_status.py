"""Asking every node what it holds."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from schemas.cluster import ClusterView, NodeReport
from schemas.node_status import NodeStatus

ANSWER_TIMEOUT_S = 3.0
AppliedOffsets = dict[tuple[str, str, int], dict[str, dict[int, int]]]


class AskedNode(NamedTuple):
    """A node's report in `cluster.state` and its own answer; None when it did not answer."""

    report: NodeReport
    status: NodeStatus | None


def ask_nodes(view: ClusterView) -> list[AskedNode]:
    """Every announced node's status, asked at once."""
    reports = [view.nodes[name] for name in sorted(view.nodes)]
    if not reports:
        return []
    with ThreadPoolExecutor(max_workers=min(len(reports), 16)) as pool:
        return [AskedNode(r, s) for r, s in zip(reports, pool.map(ask_node, [r.url for r in reports]), strict=True)]


def ask_node(url: str) -> NodeStatus | None:
    """One node's status; None when it does not answer."""
    try:
        with urlopen(f"{url}/v1/status", timeout=ANSWER_TIMEOUT_S) as answer:
            return msgspec.json.decode(answer.read(), type=NodeStatus)
    except (URLError, OSError, msgspec.DecodeError):
        return None


def applied_offsets(view: ClusterView) -> AppliedOffsets:
    """Per (node, generation, shard): the next offset to be applied, per topic and partition."""
    return {
        (asked.report.node, shard.generation, shard.shard): shard.applied
        for asked in ask_nodes(view)
        if asked.status is not None
        for shard in asked.status.shards
    }
