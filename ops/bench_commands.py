"""`lookalive bench`: measure, each figure beside a raw baseline of the same run."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ops.bench.groups import Group
from ops.bench.runbook_kinds import Kind
from ops.console import out, spoken_errors

bench = typer.Typer(no_args_is_help=True, help="Measure, beside raw baselines of the same run.")


class StreamPart(StrEnum):
    """The parts of `lookalive bench stream`."""

    RATES = "rates"
    FRESHNESS = "freshness"


JsonFlag = Annotated[bool, typer.Option("--json", help="print JSON for scripts")]
VECTOR_FILES = ".fbin, .u8bin or .npy; rows are brought to unit length"


@bench.command("shard")
def shard_command(
    items: Annotated[int, typer.Option(min=1000, help="items in the shard")] = 200_000,
    dimension: Annotated[int, typer.Option(min=2, help="of the seeded mixture; a file brings its own")] = 512,
    vectors: Annotated[Path | None, typer.Option(help=f"a file instead of the mixture: {VECTOR_FILES}")] = None,
    seed: Annotated[int, typer.Option(min=0, help="another seed draws other vectors")] = 1,
    only: Annotated[list[Group] | None, typer.Option(help="measure these rows alone; can be repeated")] = None,
    load_seconds: Annotated[float, typer.Option(min=1, help="how long each system is searched under writes")] = 20.0,
    as_json: JsonFlag = False,
) -> None:
    """Measure a shard beside raw FAISS and other libraries; exit status 1 when a promised bound does not hold."""
    from ops.cli import read_settings

    settings = read_settings()
    from ops.bench.report import show
    from ops.bench.shard_bench import bench_shard
    from ops.bench.workbench import Plan

    plan = Plan(
        items=items, dimension=dimension, vectors=vectors, seed=seed, load_seconds=load_seconds, index=settings.index
    )
    with spoken_errors(as_json):
        rows = bench_shard(plan, only or ())
    raise typer.Exit(0 if show("shard", rows, as_json) else 1)


@bench.command("hosts")
def hosts_command(
    items: Annotated[int, typer.Option(min=100, help="items in each round")] = 1000,
    per_second: Annotated[float, typer.Option(min=1, help="items written per second")] = 50.0,
    rounds: Annotated[int, typer.Option(min=1, help="rounds of each kind, in turn; the middle one counts")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="another seed draws other pictures")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Measure what hosts that hang (10 % of the items) and answer 500 (10 %) cost the freshness of all others."""
    from ops.cli import read_settings

    settings = read_settings()
    from ops.bench.failing_hosts import HostsPlan, bench_hosts
    from ops.bench.report import show
    from ops.running import say

    plan = HostsPlan(items=items, per_second=per_second, rounds=rounds, seed=seed, settings=settings)
    with spoken_errors(as_json):
        rows = bench_hosts(plan, (lambda line: None) if as_json else say)
    raise typer.Exit(0 if show("hosts", rows, as_json) else 1)


@bench.command("stream")
def stream_command(
    count: Annotated[int, typer.Option(min=1000, help="changes of each kind for the rates per core")] = 20_000,
    rate: Annotated[list[int] | None, typer.Option(min=1, help="changes per second of the freshness; repeat")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="how long changes come at each rate")] = 30.0,
    only: Annotated[StreamPart | None, typer.Option(help="measure this part alone")] = None,
    kafka: Annotated[str | None, typer.Option(help="HOST:PORT of an empty Kafka; else the embedded broker")] = None,
    seed: Annotated[int, typer.Option(min=0, help="another seed draws other changes")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Measure changes per second and core beside a no-op Faust agent, and freshness at given rates of changes."""
    from ops.cli import read_settings

    settings = read_settings({"kafka.bootstrap_servers": kafka})
    from ops.bench.report import Row, show
    from ops.bench.stream_freshness import bench_freshness
    from ops.bench.stream_rates import bench_rates
    from ops.running import say

    rows: list[Row] = []
    with spoken_errors(as_json):
        if only in (None, StreamPart.RATES):
            rows += bench_rates(settings, count, seed)
        if only in (None, StreamPart.FRESHNESS):
            spoken = (lambda line: None) if as_json else say
            rows += bench_freshness(settings, rate or [100, 500, 1000], seconds, seed, spoken)
    raise typer.Exit(0 if show("stream", rows, as_json) else 1)


@bench.command("runbook")
def runbook_command(
    runbook: Annotated[Path, typer.Argument(help="YAML of the big-ann-benchmarks' streaming track")],
    vectors: Annotated[Path, typer.Option(help=f"the data: {VECTOR_FILES}")],
    queries: Annotated[Path | None, typer.Option(help="the queries; else rows the runbook leaves alone")] = None,
    dataset: Annotated[str | None, typer.Option(help="which, where the runbook has several")] = None,
    seed: Annotated[int, typer.Option(min=0, help="which rows are asked when every row is used")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Drive a shard through a runbook: insert, delete, replace, and recall@10 at every search.

    The metric is the inner product of unit vectors. Data made for the Euclidean distance (.u8bin mostly) is brought to
    unit length, and the exact answers are worked out anew for it, over what lives at each search.
    """
    from ops.cli import read_settings

    settings = read_settings()
    from ops.bench.report import show
    from ops.bench.runbook_bench import RunbookPlan, bench_runbook

    plan = RunbookPlan(
        runbook=runbook, vectors=vectors, queries=queries, dataset=dataset, seed=seed, index=settings.index
    )
    with spoken_errors(as_json):
        rows = bench_runbook(plan)
    raise typer.Exit(0 if show("runbook", rows, as_json) else 1)


@bench.command("make-runbook")
def make_runbook_command(
    kind: Annotated[Kind, typer.Option(help="how vectors come and go")],
    points: Annotated[int, typer.Option(min=1, help="vectors in all")],
    steps: Annotated[int, typer.Option(min=1, help="rounds, each ending in a search")],
    output: Annotated[Path, typer.Option("-o", "--output", help="the YAML file to write")],
    seed: Annotated[int, typer.Option(min=0, help="another seed makes another runbook")] = 1,
    dimension: Annotated[int, typer.Option(min=2, help="of the vectors that are made")] = 512,
    vectors: Annotated[Path | None, typer.Option(help=f"take them from here: {VECTOR_FILES}")] = None,
    vectors_out: Annotated[Path | None, typer.Option(help="write the data that goes with it, as .fbin")] = None,
) -> None:
    """Make a runbook, and with --vectors-out the data for it, with 1,000 more rows to ask for.

    A clustered runbook only means something on data in the order of its clusters, so it needs --vectors-out.
    """
    with spoken_errors():
        from ops.bench.runbook_files import make_files

        made = make_files(kind, points, steps, seed, dimension, output, vectors, vectors_out)
    out.print(f"{output}: {made.dataset}, {len(made.steps):,} steps, at most {made.max_pts:,} vectors at once")
