"""The API's description, OpenAPI 3.1, made from the types that travel and a table of routes."""

import importlib.metadata
from typing import Any, NamedTuple

import msgspec

from query_router.curl_examples import curl_example

REF_TEMPLATE = "#/components/schemas/{name}"
_GOOD = {200: "done", 202: "taken; it will be done"}
_ERRORS = {
    400: "what was asked cannot be understood",
    403: "whoever asks may not",
    404: "no such item can be found",
    409: "a newer version exists, or another generation is searched",
    413: "more bytes than are taken",
    422: "a picture that cannot be embedded, or a change that was refused",
    429: "too many at once; try again after `Retry-After` seconds",
    503: "a part that is needed is not there",
}


class ErrorBody(msgspec.Struct):
    """What went wrong: a code for programs, a sentence for people, the numbers."""

    code: str
    message: str
    details: dict[str, Any]


class ErrorAnswer(msgspec.Struct):
    """The one shape of every error."""

    error: ErrorBody


class RouteDoc(NamedTuple):
    """What a route takes and gives.

    `body` is the type of its JSON body, `form_options` that of the field `form_field` of a form with a file `image`,
    `parameters` a type whose fields, those `without` excepted, are its URL's parameters. `statuses` are those of a good
    answer.
    """

    summary: str
    description: str
    answer: Any = None
    answer_type: str = "application/json"
    statuses: tuple[int, ...] = (200,)
    body: Any = None
    body_required: bool = True
    form_options: type[msgspec.Struct] | None = None
    form_field: str = "query"
    parameters: type[msgspec.Struct] | None = None
    without: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()


def describe(routes: list[tuple[str, str, RouteDoc]]) -> dict[str, Any]:
    """The OpenAPI document of routes given as (method, path, what they take and give)."""
    types = {ErrorAnswer: None} | {kind: None for _, _, doc in routes for kind in _types_of(doc)}
    refs, components = msgspec.json.schema_components(list(types), ref_template=REF_TEMPLATE)
    schemas = dict(zip(types, refs, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for method, path, doc in routes:
        operation = _operation(path, doc, schemas, components)
        operation["x-codeSamples"] = [{"lang": "Shell", "source": curl_example(method, path)}]
        paths.setdefault(path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lookalive",
            "version": importlib.metadata.version("lookalive"),
            "description": "Which items look like this? Every error has the shape of `ErrorAnswer`.",
        },
        "paths": paths,
        "components": {"schemas": components},
    }


def _types_of(doc: RouteDoc) -> list[Any]:
    return [kind for kind in (doc.answer, doc.body, doc.form_options, doc.parameters) if kind is not None]


def _operation(path: str, doc: RouteDoc, schemas: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"schema": schemas[doc.answer] if doc.answer is not None else {"type": "string"}}
    failed = {"application/json": {"schema": schemas[ErrorAnswer]}}
    operation: dict[str, Any] = {
        "summary": doc.summary,
        "description": doc.description,
        "responses": {str(s): {"description": _GOOD[s], "content": {doc.answer_type: good}} for s in doc.statuses}
        | {str(status): {"description": _ERRORS[status], "content": failed} for status in doc.errors},
    }
    parameters = _path_parameters(path) + _url_parameters(doc, components)
    if parameters:
        operation["parameters"] = parameters
    if doc.body is not None:
        operation["requestBody"] = {"required": doc.body_required, "content": _contents(doc, schemas)}
    return operation


def _contents(doc: RouteDoc, schemas: dict[Any, Any]) -> dict[str, Any]:
    contents: dict[str, Any] = {"application/json": {"schema": schemas[doc.body]}}
    if doc.form_options is not None:
        contents["multipart/form-data"] = {
            "schema": {
                "type": "object",
                "properties": {
                    "image": {"type": "string", "contentMediaType": "application/octet-stream"},
                    doc.form_field: schemas[doc.form_options],
                },
                "required": ["image"],
                "additionalProperties": False,
            },
            "encoding": {doc.form_field: {"contentType": "application/json"}},
        }
    return contents


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _url_parameters(doc: RouteDoc, components: dict[str, Any]) -> list[dict[str, Any]]:
    """One parameter per field; what is not a plain value travels as JSON."""
    if doc.parameters is None:
        return []
    fields = components[doc.parameters.__name__]["properties"]
    return [
        {
            "name": name,
            "in": "query",
            **({"content": {"application/json": {"schema": s}}} if name == "filter" else {"schema": s}),
        }
        for name, s in fields.items()
        if name not in doc.without
    ]
