"""Reads the body of a request and checks it field by field; which fields there are is in `bodies`.

A field that would change the answer and is not supported is refused by name; one that changes
nothing is ignored; a null is the same as leaving the field out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, ClassVar, NoReturn, TypeVar

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError
from starlette.requests import ClientDisconnect, Request

from inhouse.core.errors import BadField, BadInput, nearest

LONGEST_SHOWN = 60


class TooLarge(BadInput):
    """The body is larger than the door accepts."""

    status = 413
    code = "request_too_large"


class Body(BaseModel):
    """An object in a request: its fields, those that change nothing, those that are refused.

    `ignored` fields are accepted whatever they are. Those of `neutral` are accepted with a value
    that changes nothing, and refused with any other.
    """

    # Frozen, so that no default is copied for a request; built when the first one comes.
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, strict=True)

    ignored: ClassVar[frozenset[str]] = frozenset({"user"})
    neutral: ClassVar[Mapping[str, tuple[object, ...]]] = {}

    @model_validator(mode="before")
    @classmethod
    def _supported(cls, fields: object) -> object:
        if not isinstance(fields, dict):
            return fields
        known = _names(cls)
        kept = {}
        for name, value in fields.items():
            if value is None or name in cls.ignored or value in cls.neutral.get(name, ()):
                continue
            if name in cls.neutral:
                refuse(name, "The field {place!r} is not supported here.", "Leave it out.")
            if name not in known:
                near = nearest(name, known)
                fix = f"Did you mean {near!r}?" if near else "Leave it out."
                refuse(name, "There is no field {place!r}.", fix)
            kept[name] = value
        return kept

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of what is accepted, with what changes nothing."""
        schema = handler(core_schema)
        own = handler.resolve_ref_schema(schema)
        fields = own["properties"]
        for name in fields.keys() - set(own.get("required", ())):
            inner = {key: value for key, value in fields[name].items() if key != "default"}
            fields[name] = {"anyOf": [inner, {"type": "null"}]}
        for name in sorted(cls.ignored):
            fields[name] = {"description": "Accepted; it changes nothing."}
        for name, values in sorted(cls.neutral.items()):
            fields[name] = {"enum": [*values, None], "description": "Not supported."}
        return schema


@cache
def _names(kind: type[BaseModel]) -> frozenset[str]:
    """Return what the fields of an object are called in requests."""
    return frozenset(field.alias or name for name, field in kind.model_fields.items())


def refuse(field: str, what: str, fix: str) -> NoReturn:
    """Refuse a field from within a validator; ``{place}`` in `what` is where it stands."""
    raise PydanticCustomError("refused", "{what}", {"field": field, "what": what, "fix": fix})


AnyBody = TypeVar("AnyBody", bound=Body)


async def read_body(request: Request, kind: type[AnyBody], *, limit: int) -> AnyBody:
    """Read and check a request's body of at most `limit` bytes.

    Raises:
        TooLarge: it is larger.
        BadInput: it is not a JSON object.
        BadField: a field is missing, unknown, unsupported or out of range.
    """
    headers: Iterable[tuple[bytes, bytes]] = request.scope["headers"]
    declared = next((value for name, value in headers if name == b"content-length"), b"")
    chunks: list[bytes] = []
    size = int(declared) if declared.isdigit() else 0
    while size <= limit:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size = sum(map(len, chunks))
        if size <= limit and not message.get("more_body", False):
            return parse(b"".join(chunks), kind)
    raise TooLarge(
        f"The request is larger than the {limit / 2**20:.3g} MiB accepted here.",
        "Send less at a time.",
    )


def read_query(request: Request, kind: type[AnyBody]) -> AnyBody:
    """Check what stands behind the question mark of an address; of what stands twice, the last.

    Raises:
        BadField: a field is missing, unknown or out of range.
    """
    return _checked(dict(request.query_params), kind)


def parse(raw: bytes, kind: type[AnyBody]) -> AnyBody:
    """Check the bytes of a body; see `read_body`."""
    try:
        fields = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"The body is not JSON: {error}.", "Send one JSON object.") from None
    if not isinstance(fields, dict):
        raise BadInput("The body is not a JSON object.", 'Send one, such as {"model": …}.')
    return _checked(fields, kind)


def _checked(fields: Mapping[str, Any], kind: type[AnyBody]) -> AnyBody:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise _bad_field(error) from None


def _bad_field(error: ValidationError) -> BadField:
    first = error.errors(include_url=False)[0]
    ours: dict[str, Any] = first.get("ctx", {}) if first["type"] == "refused" else {}
    loc = (*first["loc"], ours["field"]) if ours else first["loc"]
    place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in loc).lstrip(".")
    if ours:
        return BadField(place, ours["what"].replace("{place!r}", repr(place)), ours["fix"])
    if first["type"] == "missing":
        return BadField(place, f"The field {place!r} is missing.", "Add it.")
    shown = repr(first["input"])
    shown = shown if len(shown) <= LONGEST_SHOWN else f"{shown[: LONGEST_SHOWN - 3]}…"
    why = first["msg"].removeprefix("Value error, ")
    return BadField(place, f"The field {place!r} cannot be {shown}.", f"{why.capitalize()}.")
