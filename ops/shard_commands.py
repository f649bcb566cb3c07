"""`lookalive shards`: what every shard is doing, and who holds it."""

from typing import Annotated

import typer

from ops.console import print_json, print_table, spoken_errors
from ops.endpoints import kafka_of
from ops.placement_commands import abort, drain, move, rebalance, replicate

shards = typer.Typer(no_args_is_help=True, help="Look at the shards, and move them while they serve.")


for _command in (move, replicate, drain, rebalance, abort):
    shards.command()(_command)


@shards.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="print JSON for scripts")] = False) -> None:
    """One line per shard and node: its state, items, size and lag."""
    from ops.cli import read_settings

    settings = read_settings()
    from ops.shard_status import shard_rows

    with spoken_errors(as_json):
        rows = shard_rows(kafka_of(settings))
    if as_json:
        print_json(rows)
        return
    columns = ["gen", "shard", "node", "state", "items", "graph", "buffer", "dead", "MiB", "lag", "note"]
    print_table(columns, [row.cells() for row in rows])
