"""`lookalive schema`: the documents that producers validate against and generate code from."""

from typing import Any

import orjson
import typer

from ops.console import out
from schemas.settings import KafkaSettings

schema = typer.Typer(no_args_is_help=True, help="Print the schemas of what travels through Kafka.")


@schema.command()
def change() -> None:
    """The JSON Schema of a catalogue change."""
    from schemas.change_schema import change_schema

    _print(change_schema())


@schema.command()
def asyncapi() -> None:
    """The AsyncAPI document of all topics."""
    from schemas.asyncapi import asyncapi_document

    _print(asyncapi_document(KafkaSettings().partitions))


def document_text(document: dict[str, Any]) -> str:
    """The document as it is printed and kept under ops/docs."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _print(document: dict[str, Any]) -> None:
    out.print(document_text(document), end="", markup=False, highlight=False, soft_wrap=True)
