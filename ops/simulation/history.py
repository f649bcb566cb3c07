"""One history: a cluster, what befalls it, and what must hold all the while and at its end."""

from collections.abc import Callable
from functools import partial

from ops.placement.errand import Goal
from ops.placement.facts import Facts, Holders, ShardName, holders_of
from ops.placement.goals import drained, moved, rebalanced, repaired, replicated
from ops.simulation.clock import Clock
from ops.simulation.coverage import Coverage
from ops.simulation.logs import ClusterTopic, ItemLogs
from ops.simulation.nodes import SimNode
from ops.simulation.operators import SimOperator
from ops.simulation.routers import SimRouter, Violation
from schemas.cluster import ClusterRecord, Generation, Installation, Placement

NODES, ROUTERS, ITEMS = 4, 2, 6
START_S, STORM_S, CALM_S = 8.0, 24.0, 30.0
GENERATION = "g1"


class History:
    """What the seed makes of it; `trace` says what befell the cluster, a line each."""

    def __init__(self, seed: int) -> None:
        self.clock = Clock(seed)
        self.trace: list[str] = []
        self.logs = ItemLogs(self.clock)
        self.topic = ClusterTopic(self.clock)
        chance = self.clock.chance
        shards, replicas = chance.randint(1, 3), chance.randint(1, 2)
        names = [f"n{number}" for number in range(NODES)]
        self._publish(Installation(partitions=shards, log_id="model"))
        self._publish(
            Generation(name=GENERATION, model="m", fingerprint="f", dimension=1, shards=shards, replicas=replicas)
        )
        held = [[names[(number + more) % NODES] for more in range(replicas)] for number in range(shards)]
        self._publish(Placement(epoch=1, writer="up", serving=GENERATION, shards={GENERATION: held}))
        self.nodes = {name: SimNode(name, self.clock, self.topic, self.logs) for name in names}
        self._coverage = Coverage(self.clock, self.topic, self.nodes)
        self.routers = [
            SimRouter(self.clock, self.topic, self.logs, self.nodes, self._coverage) for _ in range(ROUTERS)
        ]
        self.operators: list[SimOperator] = []

    @property
    def checked(self) -> int:
        """How many answers of shards were held against the truth."""
        return sum(router.checked for router in self.routers)

    def run(self) -> None:
        """Let it happen: a start, a storm, and a calm in which everything must come to rest.

        Raises:
            Violation: something that must hold did not.
        """
        for node in self.nodes.values():
            self.clock.within(2.0, node.start)
        self._again(1.0, self._write, START_S + STORM_S)
        self._again(0.8, self._ask, START_S + STORM_S + CALM_S)
        self.clock.run(START_S)
        self._again(4.0, self._trouble, START_S + STORM_S)
        self._again(8.0, self._command, START_S + STORM_S)
        self.clock.run(START_S + STORM_S)
        self._heal()
        self.clock.run(START_S + STORM_S + CALM_S)
        self._check_rest()

    # --- what befalls it

    def _again(self, within_s: float, event: Callable[[], None], until_s: float) -> None:
        def once_more() -> None:
            if self.clock.now_s < until_s:
                event()
                self.clock.within(within_s, once_more)

        self.clock.within(within_s, once_more)

    def _write(self) -> None:
        placement = self.topic.truth.placement
        assert placement is not None
        shard = self.clock.chance.choice(sorted(holders_of(placement)))
        item = f"{shard.shard}-{self.clock.chance.randrange(ITEMS)}"
        self.logs.write(shard, item, self.clock.chance.random() < 0.6)

    def _ask(self) -> None:
        self._coverage.look()
        self.clock.chance.choice(self.routers).ask()

    def _trouble(self) -> None:
        chance = self.clock.chance
        node = chance.choice(list(self.nodes.values()))
        what = chance.choice(["node", "node", "operator", "router", "compaction"])
        if what == "node" and node.alive:
            self._say(f"{node.name} is killed")
            self._coverage.kill(node)
            self.clock.within(20.0, lambda: self._start(node))
        elif what == "operator" and self.operators:
            self._say("a command is killed")
            chance.choice(self.operators).kill()
        elif what == "router":
            chance.choice(self.routers).restart()
        elif what == "compaction":
            self.topic.compact()

    def _start(self, node: SimNode) -> None:
        if not node.alive:
            self._say(f"{node.name} starts")
            node.start()

    def _command(self) -> None:
        chance = self.clock.chance
        name, other = chance.sample(sorted(self.nodes), 2)
        wanted: list[tuple[str, Goal]] = [
            ("rebalance", lambda now, facts: rebalanced(now, facts.alive, {})),
            (f"drain {name}", lambda now, facts: drained(now, {name}, facts.alive - {name}, {})),
            ("repair", lambda now, facts: repaired(now, facts, {})),
            (f"move from {name} to {other}", partial(_moved, name, other)),
            ("replicate", lambda now, facts: replicated(now, GENERATION, chance.randint(1, 2), facts.alive, {})),
        ]
        words, goal = chance.choice(wanted)
        self._run_command(words, goal)

    def _run_command(self, words: str, goal: Goal) -> SimOperator:
        self._say(words)
        operator = SimOperator(f"command-{len(self.operators)}", goal, self.clock, self.topic, self.nodes)
        self.operators.append(operator)
        return operator

    def _heal(self) -> None:
        """Everyone lives, and one last command goes on with whatever was left."""
        for node in self.nodes.values():
            self._start(node)
        for operator in self.operators:
            operator.kill()
        self.last = self._run_command("rebalance, the last", lambda now, facts: rebalanced(now, facts.alive, {}))

    # --- what must hold

    def _check_rest(self) -> None:
        """The last command has ended, nothing is under way, and nodes hold what placement says, with every change."""
        placement = self.topic.truth.placement
        assert placement is not None
        if not self.last.over or placement.moves:
            raise Violation(f"nothing comes to rest: {[str(move) for move in placement.moves]} are under way")
        for shard, held in holders_of(placement).items():
            for node in self.nodes.values():
                answer = node.answer(shard)
                if bool(answer) != (node.name in held):
                    raise Violation(f"{node.name} serves {shard}: {bool(answer)}, placed on {held}")
                there = self.logs.certain(shard, self.clock.now_s, self.clock.now_s)[0]
                if answer and answer[0] != there:
                    raise Violation(f"{node.name} has {sorted(answer[0])} of {shard}, not {sorted(there)}")

    def _publish(self, record: ClusterRecord) -> None:
        self.topic.append(record)

    def _say(self, words: str) -> None:
        self.trace.append(f"{self.clock.now_s:6.2f} s  {words}")


def _moved(source: str, target: str, now: Holders, facts: Facts) -> Holders:
    """One shard that the source has, if the target can take it."""
    fitting = [shard for shard in sorted(now) if source in now[shard] and target not in now[shard]]
    return moved(now, ShardName(*fitting[0]), source, target) if fitting else {}
