"""What is sent to an OpenAI-compatible API and what its events say; anything else in them is left.

Sending, waiting and failing are in `inhouse.models.remote`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from inhouse.core.nouns import Message
from inhouse.core.protocols import JSON_OBJECT, CallPart, Constraint, Sampling, Usage

PLAIN = Sampling()
OPTIONAL = (
    "top_p",
    "max_tokens",
    "seed",
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
    "top_k",
    "min_p",
)
UNKNOWN = ("unsupported_parameter", "extra_forbidden")
OURS = frozenset({"model", "stream", "stream_options"})
"""What requests hold that no caller has chosen."""
"""What providers call a field that the model does not have."""


def body_of(model: str, messages: Sequence[Message], sampling: Sampling) -> bytes:
    """Return the body of a request, as bytes."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [_turn(message) for message in messages],
        "temperature": sampling.temperature,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    for name in OPTIONAL:
        if getattr(sampling, name) != getattr(PLAIN, name):
            body[name] = getattr(sampling, name)
    if sampling.logit_bias:
        body["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias}
    if sampling.constraint is not None:
        body["response_format"] = _format(sampling.constraint)
    if sampling.tools is not None:
        body |= orjson.loads(sampling.tools)
    return orjson.dumps(body)


def without(body: bytes, field: str) -> bytes | None:
    """Return a request without a field that a provider does not take, or None if it must have it.

    Reasoning models know ``max_tokens`` by another name, and no temperature but their own; 0 is
    what is sent if nobody says. Some providers do not know ``stream_options``.
    """
    fields = orjson.loads(body)
    if field not in fields or not (
        field in ("max_tokens", "stream_options") or (field == "temperature" and not fields[field])
    ):
        return None
    value = fields.pop(field)
    if field == "max_tokens":
        fields["max_completion_tokens"] = value
    return orjson.dumps(fields)


def field_of(body: object) -> str:
    """Return which field of a request a provider does not know or take, or nothing.

    ``max_tokens`` is named where there are too many as well, and that is the caller's to mend.
    """
    field, kind = _named(body)
    return field if field != "max_tokens" or kind in UNKNOWN else ""


def about_the_request(body: object) -> bool:
    """Say whether a provider complains of what the caller has chosen: a field, or its length."""
    field, kind = _named(body)
    return kind == "context_length_exceeded" or bool(field and field not in OURS)


def _named(body: object) -> tuple[str, object]:
    """Return the field of a request that an error names, if any, and its kind."""
    match body:
        case {"error": {"param": str(field), "code": kind}}:
            return field, kind
        case {"detail": [{"loc": [*_, str(field)], "type": kind}, *_]}:
            return field, kind
        case {"error": {"param": str(field)}} | {"detail": [{"loc": [*_, str(field)]}, *_]}:
            return field, None
        case {"error": {"code": kind}}:
            return "", kind
    return "", None


def event_of(body: object) -> dict[str, Any] | None:
    """Return an answer that came whole as if it had been streamed, or None if it is none."""
    if not isinstance(body, dict):
        return None
    return body | {"choices": [{**c, "delta": c.get("message")} for c in choices_of(body)]}


def _turn(message: Message) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.calls:
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.calls
        ]
    if message.answers:
        turn["tool_call_id"] = message.answers
    return turn


def _format(constraint: Constraint) -> dict[str, Any]:
    if constraint == JSON_OBJECT:
        return {"type": "json_object"}
    schema = {"name": "answer", "schema": orjson.loads(constraint.text)}
    strict = {"strict": True} if constraint.strict else {}
    return {"type": "json_schema", "json_schema": schema | strict}


def choices_of(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what an event has of answers."""
    choices = event.get("choices")
    return [c for c in choices if isinstance(c, dict)] if isinstance(choices, list) else []


def text_of(choice: dict[str, Any]) -> str:
    """Return the text that a choice adds."""
    delta = choice.get("delta")
    text = delta.get("content") if isinstance(delta, dict) else None
    return text if isinstance(text, str) else ""


def calls_of(choice: dict[str, Any]) -> tuple[CallPart, ...]:
    """Return what a choice adds to calls of tools."""
    delta = choice.get("delta")
    calls = delta.get("tool_calls") if isinstance(delta, dict) else None
    if not isinstance(calls, list):
        return ()
    return tuple(_call(call, place) for place, call in enumerate(calls))


def _call(call: Any, place: int) -> CallPart:  # noqa: ANN401 - as it came
    """Return a part of a call; some providers send each whole, unnumbered, or not as text."""

    def said(of: object, name: str) -> str:
        value = of.get(name) if isinstance(of, dict) else None
        if name == "arguments" and isinstance(value, dict):
            return orjson.dumps(value).decode()
        return value if isinstance(value, str) else ""

    inner = call.get("function") if isinstance(call, dict) else None
    index = call.get("index", place) if isinstance(call, dict) else place
    return CallPart(
        index if isinstance(index, int) else place,
        said(call, "id"),
        said(inner, "name"),
        said(inner, "arguments"),
    )


def usage_of(event: dict[str, Any]) -> Usage | None:
    """Return the tokens read and written, if an event tells them."""
    if event.get("usage") is None:
        return None
    match event:
        case {"usage": {"prompt_tokens": int(read), "completion_tokens": int(written)}}:
            return Usage(read, written)
    return None


def reason_of(body: object) -> str:
    """Return the provider's own words about an error, cut short."""
    match body:
        case {"error": {"message": str(said)}} | {"error": str(said)} | {"message": str(said)}:
            return " ".join(said.split())[:300].rstrip(".")
    return ""
