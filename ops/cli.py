"""The `lookalive` command: every role and tool under one name. Heavy imports live in the commands that need them."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ops.console import out, print_json, print_table, role_errors, spoken_errors
from schemas.settings import Settings, describe_settings, load_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A visual search engine whose index is never stale.",
)

JsonFlag = Annotated[bool, typer.Option("--json", help="print JSON for scripts")]


def read_settings(overrides: dict[str, object] | None = None) -> Settings:
    """The settings of this process, from its environment and its flags."""
    with role_errors():
        settings = load_settings(os.environ, overrides)
        from ops.logs import configure_logs

        configure_logs(settings.log)
    return settings


@app.command()
def up(
    kafka: Annotated[
        str | None, typer.Option(help="HOST:PORT of a cluster, or local for a durable one; without it, embedded")
    ] = None,
    port: Annotated[int | None, typer.Option(help="the router's port; 0: any free one")] = None,
    shards: Annotated[int | None, typer.Option(help="shards of a new generation")] = None,
    nodes: Annotated[int | None, typer.Option(help="shard nodes to start")] = None,
    model: Annotated[
        str | None, typer.Option(help="fake, histogram, lookalive-small, timm:<name> or checkpoint")
    ] = None,
    data_dir: Annotated[str | None, typer.Option(help="folder for everything this machine keeps")] = None,
) -> None:
    """Run the whole system on this machine, empty."""
    settings = read_settings(_up_overrides(kafka, port, shards, nodes, model, data_dir))
    from ops.running import run_up

    with spoken_errors():
        raise typer.Exit(run_up(settings))


@app.command()
def demo(
    images: Annotated[Path | None, typer.Option(help="a folder of your own pictures instead of the drawn ones")] = None,
    items: Annotated[int, typer.Option(min=20, max=5000, help="pictures to draw")] = 300,
    seed: Annotated[int, typer.Option(help="another seed draws another catalogue")] = 7,
    once: Annotated[bool, typer.Option("--once", help="stop after a few changes instead of staying")] = False,
    browser: Annotated[bool, typer.Option(help="open the page in a browser, where there is a display")] = True,
    port: Annotated[int | None, typer.Option(help="the router's port; 0: any free one")] = None,
    data_dir: Annotated[str | None, typer.Option(help="folder for everything this machine keeps")] = None,
) -> None:
    """Run the whole system with a sample catalogue that streams in and keeps changing, and a page to search it."""
    settings = read_settings(_up_overrides(None, port, None, None, None, data_dir))
    from ops.demo import run_demo

    with spoken_errors():
        raise typer.Exit(run_demo(settings, images, items, seed, once, os.environ if browser and not once else None))


@app.command()
def stream() -> None:
    """Run one stream worker: the agents that LOOKALIVE_STREAM__AGENTS names (merge, embed and drift by default)."""
    settings = read_settings()
    from streams.main import run_stream

    with role_errors():
        raise typer.Exit(run_stream(settings))


@app.command()
def node() -> None:
    """Run one shard node."""
    settings = read_settings()
    from index_shards.node.main import run_node

    with role_errors():
        raise typer.Exit(run_node(settings))


@app.command()
def router() -> None:
    """Run one router: the public API."""
    settings = read_settings()
    from query_router.main import run_router

    with role_errors():
        raise typer.Exit(run_router(settings))


@app.command()
def settings(
    as_json: JsonFlag = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="print the settings page of the documentation")] = False,
) -> None:
    """List every setting: its environment name, its default and what it does."""
    read_settings()
    docs = describe_settings()
    if as_json:
        print_json(docs)
    elif markdown:
        from ops.settings_page import settings_page

        out.print(settings_page(docs), end="", markup=False, highlight=False, soft_wrap=True)
    else:
        print_table(["setting", "default", "what it does"], [(d.env, d.default, d.text) for d in docs])


def _up_overrides(
    kafka: str | None, port: int | None, shards: int | None, nodes: int | None, model: str | None, data_dir: str | None
) -> dict[str, object]:
    return {
        "kafka.bootstrap_servers": kafka,
        "router.port": port,
        "index.shards": shards,
        "node.count": nodes,
        "model.name": model,
        "data_dir": data_dir,
    }


def _add_groups() -> None:
    from ops.bench_commands import bench
    from ops.catalog_commands import catalog
    from ops.doctor import doctor
    from ops.evaluate_command import evaluate
    from ops.schema_commands import schema
    from ops.search_commands import search
    from ops.shard_commands import shards
    from ops.simulate_command import simulate
    from ops.train_command import train
    from ops.watch_commands import watch

    app.add_typer(catalog, name="catalog")
    app.add_typer(shards, name="shards")
    app.add_typer(watch, name="watch")
    app.add_typer(bench, name="bench")
    app.add_typer(schema, name="schema")
    app.command()(search)
    app.command()(train)
    app.command()(evaluate)
    app.command()(simulate)
    app.command()(doctor)


_add_groups()


def main() -> None:
    """The entry point of the `lookalive` command."""
    app()


if __name__ == "__main__":
    main()
