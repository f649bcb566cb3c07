"""`lookalive catalog`: put change events into Kafka, from a source or one by one, and read what was refused."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.console import out, print_json, print_table, speak_aside, spoken_errors
from ops.endpoints import kafka_of, router_of
from ops.load_command import load
from ops.replay_command import replay
from ops.sources.table_rows import absolute_path
from schemas.changes import CatalogChange, check_item_id, decode_change, encode_change
from schemas.errors import InputError, NotReady
from schemas.settings import Settings

catalog = typer.Typer(no_args_is_help=True, help="Send catalogue changes and read what was refused.")

WAIT_S, COUNTED_REJECTS = 600.0, 1_000_000
JsonFlag = Annotated[bool, typer.Option("--json", help="print JSON for scripts")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would be sent, send nothing")]
Wait = Annotated[bool, typer.Option("--wait", help="return when everything sent has been applied by the shards")]
Extra = Annotated[list[str] | None, typer.Argument(hidden=True)]
Version = Annotated[int | None, typer.Option(help="the change's version; without it, the newest change wins")]
Attr = Annotated[list[str] | None, typer.Option("--attr", help="name=value; JSON values keep their type")]


def _settings() -> Settings:
    from ops.cli import read_settings

    return read_settings()


catalog.command()(load)
catalog.command()(replay)


@catalog.command()
def put(
    item_id: str,
    image: Annotated[str, typer.Argument(help="a picture's path, or a file:, http(s): or data: URL")],
    extra: Extra = None,
    attr: Attr = None,
    version: Version = None,
    as_json: JsonFlag = False,
    dry_run: DryRun = False,
    wait: Wait = False,
) -> None:
    """Add an item or replace it, picture and attributes."""
    with spoken_errors(as_json):
        check_extra(extra)
        attributes = parse_attributes(attr) if attr else None
        change = CatalogChange(
            op="upsert",
            item_id=check_item_id(item_id),
            images=(image_reference(image),),
            attributes=attributes,
            version=version,
        )
    _send(change, as_json, dry_run, wait)


@catalog.command()
def patch(
    item_id: str,
    extra: Extra = None,
    attr: Attr = None,
    version: Version = None,
    as_json: JsonFlag = False,
    dry_run: DryRun = False,
    wait: Wait = False,
) -> None:
    """Change some attributes of an item; its picture is left alone."""
    with spoken_errors(as_json):
        check_extra(extra)
        if not attr:
            raise InputError("a patch needs at least one --attr name=value, and none came")
        change = CatalogChange(
            op="patch", item_id=check_item_id(item_id), attributes=parse_attributes(attr), version=version
        )
    _send(change, as_json, dry_run, wait)


@catalog.command()
def delete(
    item_id: str, version: Version = None, as_json: JsonFlag = False, dry_run: DryRun = False, wait: Wait = False
) -> None:
    """Take an item out."""
    with spoken_errors(as_json):
        change = CatalogChange(op="delete", item_id=check_item_id(item_id), version=version)
    _send(change, as_json, dry_run, wait)


@catalog.command()
def rejects(
    limit: Annotated[int, typer.Option(min=1, help="the newest that many")] = 50,
    reason: Annotated[str | None, typer.Option(help="only this reason code")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what was refused, and why."""
    settings = _settings()
    from ops.reject_log import read_rejects

    with spoken_errors(as_json):
        rows = read_rejects(kafka_of(settings), limit, reason)
    if as_json:
        print_json(rows)
    elif not rows:
        out.print("nothing was refused" if reason is None else f"nothing was refused for {reason}", highlight=False)
    else:
        origins = [f"{r.origin.topic}/{r.origin.partition}@{r.origin.offset}" for r in rows]
        table = [(r.item_id, r.reason, r.message, o) for r, o in zip(rows, origins, strict=True)]
        print_table(["item", "reason", "message", "origin"], table, _newest(len(rows)))


def _newest(count: int) -> str:
    return "the newest reject" if count == 1 else f"the {count} newest rejects"


def check_extra(words: list[str] | None) -> None:
    """Raises InputError with what was probably meant, where words are left over."""
    if words:
        hint = f"an attribute is given as --attr {words[0]}" if "=" in words[0] else "quote a name that has spaces"
        raise InputError(f"{words[0]!r} is one word too many: {hint}")


def parse_attributes(pairs: list[str]) -> dict[str, Any]:
    """`name=value` pairs; a value that is JSON keeps its type, anything else is a string.

    Raises:
        InputError: a pair without an equals sign or a name.
    """
    attributes: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise InputError(f"--attr takes name=value, as in --attr price=9.5, not {pair!r}")
        try:
            attributes[name] = json.loads(text)
        except json.JSONDecodeError:
            attributes[name] = text
    return attributes


def image_reference(image: str) -> str:
    """A URL as it is; a path as the file: URL of an existing file.

    Raises:
        InputError: there is no such file.
    """
    scheme, colon, _ = image.partition(":")
    if colon and scheme.lower() in ("file", "http", "https", "s3", "gs", "data"):
        return image
    path = absolute_path(Path(image))
    if not path.is_file():
        raise InputError(f"there is no file {path}: give a picture's path, or its https:, s3:, file: or data: URL")
    return path.as_uri()


def _send(change: CatalogChange, as_json: bool, dry_run: bool, wait: bool) -> None:
    settings = _settings()
    from ops.catalog_writer import CatalogWriter
    from ops.reject_log import reject_ends

    with spoken_errors(as_json):
        decode_change(encode_change(change), change.item_id.encode())
        sent: dict[str, Any] = {"change": json.loads(encode_change(change)), "sent": not dry_run}
        if not dry_run:
            kafka = kafka_of(settings)
            before = reject_ends(kafka) if wait else {}
            writer = CatalogWriter(kafka)
            writer.write(change)
            writer.close()
            if wait:
                from ops.watched_work import KafkaWatch, run_watched

                watch = KafkaWatch(settings, kafka, speak_aside)
                sent["findable"] = run_watched(lambda: _followed(settings, change, before), watch.look)
    if as_json:
        print_json(sent)
        return
    what = f"{change.op} of {change.item_id}"
    if dry_run:
        out.print(f"would send {json.dumps(sent['change'])}", highlight=False, markup=False, soft_wrap=True)
    elif wait:
        out.print(
            f"{what} is through; {_outcome(change, sent['findable'])}", highlight=False, markup=False, soft_wrap=True
        )
    else:
        out.print(f"sent {what}", highlight=False, markup=False)


def _outcome(change: CatalogChange, findable: bool) -> str:
    """What has become of the item, and why where it may surprise."""
    if findable:
        return "the item can be found" if change.op != "delete" else "a newer change keeps the item: it can be found"
    if change.op == "patch":
        return (
            "the item cannot be found: none of that id has a picture yet, so the attributes are kept until a `catalog "
            "put` brings one"
        )
    return "the item cannot be found" if change.op == "delete" else "the item cannot be found: a newer delete stands"


def _followed(settings: Settings, change: CatalogChange, before: dict[int, int]) -> bool:
    """Whether the item can be found once its change is through.

    Raises:
        NotReady: it is not through in time.
        InputError: it was rejected, with the reason.
    """
    from ops.freshness import item_delay_ms
    from ops.reject_log import read_rejects
    from ops.settling import wait_settled

    kafka = kafka_of(settings)
    if not wait_settled(kafka, WAIT_S):
        raise NotReady(f"sent, but not applied after {WAIT_S:.0f} s; `lookalive shards status` shows what is behind")
    refused = [r for r in read_rejects(kafka, COUNTED_REJECTS, since=before) if r.item_id == change.item_id]
    if refused:
        raise InputError(f"{change.op} of {change.item_id} was rejected: {refused[0].message}", code=refused[0].reason)
    return item_delay_ms(router_of(settings), change.item_id) is not None
