"""``GET /openapi.json``: the routes, their bodies and their answers, as OpenAPI 3.1 describes them.

All of it comes from the table of routes, the request bodies and `inhouse.serve.shapes`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from inhouse.core.access import Actor
from inhouse.serve.reading import Body
from inhouse.serve.shapes import Failure

Guard = Literal["public", "list", "use", "operate"]
Handler = Callable[[Request, Actor], Awaitable[Response]]
Json = dict[str, Any]
Schemas = Mapping[Any, Json]

PLACE = "#/components/schemas/{model}"


@dataclass(frozen=True, slots=True)
class Line:
    """A line in the table of routes: what it takes, if anything, and what it answers.

    What it takes stands in the body, or in the address if the method is GET. A path may end with a
    name in braces, which stands for the rest of an address.
    """

    method: str
    path: str
    guard: Guard
    handler: Handler
    body: type[Body] | None
    answer: Any

    @property
    def names(self) -> Sequence[str]:
        """What the path calls the part of an address that differs, if there is one."""
        return re.findall(r"\{(\w+)\}", self.path)


def document(lines: Sequence[Line], version: str) -> Json:
    """Return the description of the routes."""
    bodies = {line.body for line in lines if line.body and line.method != "GET"}
    kinds = bodies | {line.answer for line in lines} | {Failure}
    named = sorted(kinds, key=lambda kind: str(kind.__name__))
    schemas, shared = TypeAdapter.json_schemas(
        [(kind, "validation", TypeAdapter(kind)) for kind in named], ref_template=PLACE
    )
    of: Schemas = {kind: schema for (kind, _), schema in schemas.items()}
    paths: Json = {}
    for line in lines:
        paths.setdefault(line.path, {})[line.method.lower()] = _operation(line, of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "inhouse", "version": version},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": shared.get("$defs", {}),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _parameters(body: type[Body]) -> list[Json]:
    schema = body.model_json_schema()
    needed = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in needed, "schema": field}
        for name, field in schema["properties"].items()
    ]


def _operation(line: Line, of: Schemas) -> Json:
    media = "text/plain" if line.answer is str else "application/json"
    answer: Json = {media: {"schema": of[line.answer]}}
    if line.body and "stream" in line.body.model_fields:
        answer["text/event-stream"] = {}
    failure = {"application/json": {"schema": of[Failure]}}
    told: Json = {
        "operationId": line.handler.__name__,
        "summary": inspect.getdoc(line.handler),
        "responses": {
            "200": {"description": "It is done.", "content": answer},
            "4XX": {"description": "The caller can mend it.", "content": failure},
            "5XX": {"description": "The caller cannot.", "content": failure},
        },
    }
    if line.names:
        told["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in line.names
        ]
    elif line.body and line.method == "GET":
        told["parameters"] = _parameters(line.body)
    elif line.body:
        content = {"application/json": {"schema": of[line.body]}}
        told["requestBody"] = {"required": True, "content": content}
    if line.guard != "public":
        told["security"] = [{"key": []}]
    return told
