"""A message of a conversation, as requests send it: text alone, and calls of tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from inhouse.core.nouns import Message, Role, ToolCall
from inhouse.serve.forms import Call
from inhouse.serve.reading import Body, refuse

UNSUPPORTED = ("audio", "function_call", "refusal")
PARTS = ("text", "input_text", "output_text")
PART = {
    "type": "object",
    "properties": {"type": {"enum": list(PARTS)}, "text": {"type": "string"}},
    "required": ["type", "text"],
}
TEXT = {"anyOf": [{"type": "string"}, {"type": "array", "items": PART}]}


def _text(value: object) -> object:
    """Join a list of text parts; refuse any other part."""
    if not isinstance(value, list):
        return value
    for part in value:
        if not isinstance(part, dict) or part.get("type") not in PARTS:
            raise ValueError("only parts of the type 'text' are supported")
        if not isinstance(part.get("text"), str):
            raise ValueError("a text part needs a 'text'")
    return "".join(part["text"] for part in value)


Text = Annotated[str, BeforeValidator(_text), WithJsonSchema(TEXT)]


class Turn(Body):
    """One message of a chat."""

    ignored = frozenset({"annotations", "id", "name", "status"})
    neutral: ClassVar[Mapping[str, tuple[object, ...]]] = {name: () for name in UNSUPPORTED}

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text
    type: Literal["message"] = "message"
    tool_calls: list[Call] = Field(default_factory=list)
    tool_call_id: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _may_be_silent(cls, fields: object) -> object:
        """Let an assistant that calls tools say nothing else."""
        if isinstance(fields, dict) and fields.get("tool_calls") and not fields.get("content"):
            return {**fields, "content": ""}
        return fields

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.tool_calls and self.role != "assistant":
            refuse("tool_calls", "Only an assistant calls tools.", "Set the role to 'assistant'.")
        if (self.tool_call_id is None) == (self.role == "tool"):
            what = "A message of the role 'tool', and no other, says which call it answers."
            refuse("tool_call_id", what, "Give the id of the call, or leave it out.")
        return self

    def message(self) -> Message:
        """Return the message inside the house."""
        role: Role = "system" if self.role == "developer" else self.role
        calls = tuple(
            ToolCall(c.id, c.function.name, c.function.arguments) for c in self.tool_calls
        )
        return Message(role, self.content, calls, self.tool_call_id or "")
