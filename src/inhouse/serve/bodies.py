"""The request bodies that the door accepts, in OpenAI's dialect, checked field by field.

A field that would change the answer and is not supported is refused by name; one that changes
nothing is ignored; a null is the same as leaving the field out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.requests import Request

from inhouse.core.errors import BadInput, nearest
from inhouse.core.nouns import Message, Role
from inhouse.core.protocols import Sampling
from inhouse.serve.endpoint import MAX_TOP, TOP

MAX_TOKENS = 1_000_000
MAX_TEXTS = 2048
DEFAULT = Sampling()


class BadField(BadInput):
    """A field of a request that cannot be used; `param` is its name."""

    def __init__(self, param: str, what: str, fix: str) -> None:
        super().__init__(what, fix)
        self.param = param


class TooLarge(BadInput):
    """The body is larger than the door accepts."""

    status = 413
    code = "request_too_large"


def _text(value: object) -> object:
    """Join a list of text parts; refuse any other part."""
    if not isinstance(value, list):
        return value
    for part in value:
        if not isinstance(part, dict) or part.get("type") != "text":
            raise ValueError("only parts of the type 'text' are supported")
        if not isinstance(part.get("text"), str):
            raise ValueError("a text part needs a 'text'")
    return "".join(part["text"] for part in value)


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _texts(value: object) -> object:
    if isinstance(value, list) and value and isinstance(value[0], int | list):
        raise ValueError("send texts: lists of token numbers are not supported")
    return _listed(value)


Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    ignored: ClassVar[frozenset[str]] = frozenset({"user"})
    neutral: ClassVar[Mapping[str, tuple[object, ...]]] = {}


class Turn(_Body):
    """One message of a chat."""

    ignored = frozenset({"name", "annotations"})
    neutral: ClassVar[Mapping[str, tuple[object, ...]]] = {
        "audio": (),
        "function_call": (),
        "refusal": (),
        "tool_calls": ([],),
    }

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_text)]

    def message(self) -> Message:
        """Return the message inside the house."""
        role: Role = "system" if self.role == "developer" else self.role
        return Message(role, self.content)


class StreamOptions(_Body):
    """What a stream carries beside the text."""

    ignored = frozenset({"include_obfuscation"})

    include_usage: bool = False


class ChatBody(_Body):
    """The body of ``POST /v1/chat/completions``."""

    ignored = frozenset(
        {
            "metadata",
            "parallel_tool_calls",
            "prompt_cache_key",
            "prompt_cache_retention",
            "safety_identifier",
            "service_tier",
            "store",
            "user",
        }
    )
    neutral: ClassVar[Mapping[str, tuple[object, ...]]] = {
        "audio": (),
        "frequency_penalty": (0,),
        "function_call": ("none",),
        "functions": ([],),
        "logit_bias": ({},),
        "logprobs": (False,),
        "modalities": (["text"],),
        "moderation": (),
        "n": (1,),
        "prediction": (),
        "presence_penalty": (0,),
        "reasoning_effort": (),
        "response_format": ({"type": "text"},),
        "tool_choice": ("none", "auto"),
        "tools": ([],),
        "top_logprobs": (0,),
        "verbosity": (),
        "web_search_options": (),
    }

    model: Name
    messages: Annotated[list[Turn], Field(min_length=1)]
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    temperature: Annotated[float, Field(ge=0, le=2)] = DEFAULT.temperature
    top_p: Annotated[float, Field(ge=0.001, le=1)] = DEFAULT.top_p
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    stop: Annotated[
        list[Annotated[str, Field(min_length=1)]],
        Field(max_length=16),
        BeforeValidator(_listed),
    ] = []
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.5, le=2)] | None = None

    def sampling(self) -> Sampling:
        """Return how to choose the next token."""
        return Sampling(
            max_tokens=self.max_completion_tokens or self.max_tokens or DEFAULT.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            stop=tuple(self.stop),
            seed=self.seed,
            repetition_penalty=self.repetition_penalty,
        )


class EmbeddingBody(_Body):
    """The body of ``POST /v1/embeddings``."""

    neutral: ClassVar[Mapping[str, tuple[object, ...]]] = {"dimensions": ()}

    model: Name
    input: Annotated[
        list[Annotated[str, Field(min_length=1)]],
        Field(min_length=1, max_length=MAX_TEXTS),
        BeforeValidator(_texts),
    ]
    encoding_format: Literal["float", "base64"] = "float"


class SearchBody(_Body):
    """The body of ``POST /v1/search``: a query, or the conversation that it is the end of."""

    knowledge: Name
    query: str | None = None
    messages: Annotated[list[Turn], Field(min_length=1)] | None = None
    top: Annotated[int, Field(ge=1, le=MAX_TOP)] = TOP

    def conversation(self) -> list[Message]:
        """Return the conversation that ends with the query.

        Raises:
            BadField: there are both, or neither.
        """
        if (self.query is None) == (self.messages is None):
            raise BadField("query", "A search needs a query or messages.", "Send one of the two.")
        if self.messages is None:
            return [Message("user", self.query or "")]
        return [turn.message() for turn in self.messages]


Body = TypeVar("Body", ChatBody, EmbeddingBody, SearchBody)


async def read_body(request: Request, kind: type[Body], *, limit: int) -> Body:
    """Read and check a request's body of at most `limit` bytes.

    Raises:
        TooLarge: it is larger.
        BadInput: it is not a JSON object.
        BadField: a field is missing, unknown, unsupported or out of range.
    """
    declared = request.headers.get("content-length", "")
    raw = bytearray()
    if not declared.isdigit() or int(declared) <= limit:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > limit:
                break
        else:
            return parse(bytes(raw), kind)
    raise TooLarge(
        f"The request is larger than the {limit / 2**20:.3g} MiB accepted here.",
        "Send less at a time.",
    )


def parse(raw: bytes, kind: type[Body]) -> Body:
    """Check the bytes of a body; see `read_body`."""
    try:
        fields = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"The body is not JSON: {error}.", "Send one JSON object.") from None
    if not isinstance(fields, dict):
        raise BadInput("The body is not a JSON object.", 'Send one, such as {"model": …}.')
    fields = _supported(fields, kind)
    for name, inner in (("messages", Turn), ("stream_options", StreamOptions)):
        value = fields.get(name)
        if isinstance(value, list):
            fields[name] = [
                _supported(item, inner, f"{name}[{i}].") if isinstance(item, dict) else item
                for i, item in enumerate(value)
            ]
        elif isinstance(value, dict):
            fields[name] = _supported(value, inner, f"{name}.")
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise _bad_field(error) from None


def _supported(fields: dict[str, Any], kind: type[_Body], place: str = "") -> dict[str, Any]:
    """Return the fields without those that change nothing.

    Raises:
        BadField: one is unknown, or would change the answer and is not supported.
    """
    kept = {}
    for name, value in fields.items():
        if value is None or name in kind.ignored or value in kind.neutral.get(name, ()):
            continue
        param = place + name
        if name in kind.neutral:
            raise BadField(param, f"The field {param!r} is not supported here.", "Leave it out.")
        if name not in kind.model_fields:
            near = nearest(name, kind.model_fields)
            fix = f"Did you mean {near!r}?" if near else "Leave it out."
            raise BadField(param, f"There is no field {param!r}.", fix)
        kept[name] = value
    return kept


def _bad_field(error: ValidationError) -> BadField:
    first = error.errors(include_url=False, include_context=False)[0]
    param = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"]).lstrip(".")
    if first["type"] == "missing":
        return BadField(param, f"The field {param!r} is missing.", "Add it.")
    shown = repr(first["input"])
    shown = shown if len(shown) <= 60 else f"{shown[:57]}…"
    why = first["msg"].removeprefix("Value error, ")
    return BadField(param, f"The field {param!r} cannot be {shown}.", f"{why.capitalize()}.")
