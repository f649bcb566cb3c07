"""The records of `cluster.state`: the installation, its generations, what nodes should hold and what they hold.

installation               the partition count, and the log's identity
generation/<name>          one embedding space and one geometry
placement/<epoch>/<writer> which nodes should hold which shard; an epoch's first record is the epoch
node/<id>                  a node's address and the shards it serves
"""

from typing import Literal

import msgspec

INSTALLATION_KEY = "installation"
GenerationStatus = Literal["filling", "serving", "retired"]
Storage = Literal["fp16", "fp32", "sq8", "small"]
STORAGE_TEXT = (
    "fp16, fp32, sq8 or small: how the graph keeps vectors. small: 4-bit codes in memory (at 512 dimensions 0.4 kB an "
    "item instead of 1.4) and fp16 originals on the node's disk, 2 x dimension bytes each (twice while a graph is "
    "rebuilt, and once in each snapshot), some two thirds of the searches per second (`lookalive bench shard` measures)"
)


class Installation(msgspec.Struct, frozen=True, tag="installation"):
    """What is fixed for the life of an installation.

    `log_id` is new with every new log: offsets of another log mean nothing. `topic_ids` are the topics' own, by which
    one that was made anew is known; empty where the broker has none.
    """

    partitions: int
    log_id: str
    topic_ids: dict[str, str] = {}

    def key(self) -> str:
        return INSTALLATION_KEY


class Generation(msgspec.Struct, frozen=True, kw_only=True, tag="generation"):
    """One embedding space (model, its fingerprint, dimension) and one geometry (shards, graph parameters)."""

    name: str
    model: str
    fingerprint: str
    dimension: int
    shards: int
    m: int = 32
    ef_construction: int = 100
    ef_search: int = 128
    storage: Storage = "fp16"
    replicas: int = 1
    status: GenerationStatus = "serving"
    topic_id: str = ""

    def key(self) -> str:
        return f"generation/{self.name}"


class Move(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One replica of a shard on its way from one node to another.

    Without a source it is one more replica, without a target one less.
    """

    generation: str
    shard: int
    source: str = ""
    target: str = ""

    def __str__(self) -> str:
        way = f"{self.source or '(new)'} -> {self.target or '(dropped)'}"
        return f"{self.generation}/{self.shard} {way}"


class Placement(msgspec.Struct, frozen=True, kw_only=True, tag="placement"):
    """Which nodes should hold each shard: generation -> a list of node ids per shard; `serving` is what is searched.

    While a replica moves, both its nodes are in the shard's list and `moves` has what is under way, so that whoever
    reads it can go on with it or undo it.
    """

    epoch: int
    writer: str
    serving: str
    shards: dict[str, list[list[str]]]
    moves: list[Move] = []

    def key(self) -> str:
        return f"placement/{self.epoch}/{self.writer}"


class NodeReport(msgspec.Struct, frozen=True, kw_only=True, tag="node"):
    """A node's address and the shards it serves, per generation."""

    node: str
    url: str
    serving: dict[str, list[int]]

    def key(self) -> str:
        return f"node/{self.node}"


ClusterRecord = Installation | Generation | Placement | NodeReport
_decoder: msgspec.json.Decoder[ClusterRecord] = msgspec.json.Decoder(ClusterRecord)


def encode_cluster_record(record: ClusterRecord) -> bytes:
    """The JSON value of this record; its key is `record.key()`."""
    return msgspec.json.encode(record)


def decode_cluster_record(value: bytes) -> ClusterRecord:
    """The record of this JSON; raises msgspec.DecodeError or ValidationError on anything else."""
    return _decoder.decode(value)


class ClusterView:
    """The fold of `cluster.state` read in order: what every node, router and operator believes."""

    def __init__(self) -> None:
        self.installation: Installation | None = None
        self.generations: dict[str, Generation] = {}
        self.nodes: dict[str, NodeReport] = {}
        self.placement: Placement | None = None

    def apply(self, record: ClusterRecord) -> None:
        """Take the next record of the topic."""
        match record:
            case Installation():
                self.installation = record
            case Generation():
                self.generations[record.name] = record
            case NodeReport():
                self.nodes[record.node] = record
            case Placement():
                if self.placement is None or record.epoch > self.placement.epoch:
                    self.placement = record

    @property
    def serving(self) -> Generation | None:
        """The generation that is searched, once both it and a placement are known."""
        return None if self.placement is None else self.generations.get(self.placement.serving)

    def held_by(self, node: str) -> set[tuple[str, int]]:
        """The shards that this node should hold, of generations that are known and not retired."""
        placed = {} if self.placement is None else self.placement.shards
        return {
            (name, number)
            for name, shards in placed.items()
            if (known := self.generations.get(name)) is not None and known.status != "retired"
            for number, nodes in enumerate(shards)
            if node in nodes
        }

    def replicas(self, generation: str, shard: int) -> list[NodeReport]:
        """The nodes that should hold this shard and say that they serve it."""
        placed = [] if self.placement is None else self.placement.shards.get(generation, [])
        wanted = placed[shard] if shard < len(placed) else []
        reports = (self.nodes.get(name) for name in wanted)
        return [r for r in reports if r is not None and shard in r.serving.get(generation, [])]
