"""What an answer must be, and which tools may be called, as requests say it.

JSON is asked for as OpenAI has it (`response_format`, in responses `text.format`), expressions and
grammars as vLLM has it (`structured_outputs`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

import orjson
from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from inhouse.core.protocols import JSON_OBJECT, Constraint
from inhouse.serve.reading import Body, refuse

LONGEST_RULE = 100_000
CHOICES = ("none", "auto", "required")

Kind = Literal["text", "json_object", "json_schema"]
Schema = dict[str, Any]
ToolName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]


class JsonSchema(Body):
    """A schema under a name; the name changes nothing."""

    ignored = frozenset({"name", "description"})

    schema_: Annotated[Schema, Field(alias="schema")]
    strict: bool = False

    def constraint(self) -> Constraint:
        """Return what an answer must be."""
        return Constraint("json_schema", orjson.dumps(self.schema_).decode(), self.strict)


class Format(Body):
    """The `response_format` of a chat or a raw prompt."""

    type: Kind
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.type == "json_schema") != (self.json_schema is not None):
            what = "A json_schema belongs to the type 'json_schema', and to no other."
            refuse("json_schema", what, "Send both, or neither.")
        return self

    def constraint(self) -> Constraint | None:
        """Return what an answer must be, if anything."""
        if self.json_schema:
            return self.json_schema.constraint()
        return JSON_OBJECT if self.type == "json_object" else None


class FlatFormat(Body):
    """The same in a response, where the schema stands beside its type."""

    ignored = frozenset({"name", "description"})

    type: Kind
    schema_: Annotated[Schema | None, Field(alias="schema")] = None
    strict: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.type == "json_schema") != (self.schema_ is not None):
            what = "A schema belongs to the type 'json_schema', and to no other."
            refuse("schema", what, "Send both, or neither.")
        return self


class TextFormat(Body):
    """The `text` of a response: what form it has."""

    neutral: ClassVar[Mapping[str, tuple[object, ...]]] = {"verbosity": ()}

    format: FlatFormat | None = None

    def constraint(self) -> Constraint | None:
        """Return what an answer must be, if anything."""
        if self.format is None or self.format.type == "text":
            return None
        if self.format.schema_ is None:
            return JSON_OBJECT
        schema = orjson.dumps(self.format.schema_).decode()
        return Constraint("json_schema", schema, self.format.strict)


class StructuredOutputs(Body):
    """One of: a schema, a regular expression, a grammar, the texts to choose from."""

    schema_: Annotated[Schema | str | None, Field(alias="json")] = None
    regex: Annotated[str, Field(min_length=1, max_length=LONGEST_RULE)] | None = None
    grammar: Annotated[str, Field(min_length=1, max_length=LONGEST_RULE)] | None = None
    choice: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=LONGEST_RULE)]],
            Field(min_length=1, max_length=1000),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for _, value in self) != 1:
            what = "structured_outputs needs exactly one of json, regex, grammar and choice."
            refuse("json", what, "Send one.")
        return self

    def constraint(self) -> Constraint:
        """Return what an answer must be."""
        if self.regex is not None:
            return Constraint("regex", self.regex)
        if self.grammar is not None:
            return Constraint("grammar", self.grammar)
        if self.choice is not None:
            choices = " | ".join(orjson.dumps(choice).decode() for choice in self.choice)
            return Constraint("grammar", f"root ::= {choices}")
        schema = self.schema_
        text = schema if isinstance(schema, str) else orjson.dumps(schema).decode()
        return Constraint("json_schema", text)


class _Called(Body):
    name: ToolName
    arguments: str


class Call(Body):
    """A call of a tool in an earlier turn."""

    id: Annotated[str, Field(min_length=1)]
    type: Literal["function"] = "function"
    function: _Called


class _Function(Body):
    name: ToolName
    description: str | None = None
    parameters: Schema | None = None
    strict: bool | None = None


class Tool(Body):
    """A function that the model may call."""

    type: Literal["function"]
    function: _Function


def _chosen(value: object) -> object:
    match value:
        case {"type": "function", "function": {"name": str()}, **rest} if not rest:
            return value
    if value not in CHOICES:
        raise ValueError("send 'none', 'auto', 'required' or the name of a function")
    return value


ToolChoice = Annotated[
    Any,
    AfterValidator(_chosen),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(CHOICES)},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": "function"},
                        "function": {
                            "type": "object",
                            "properties": {"name": {"type": "string"}},
                            "required": ["name"],
                        },
                    },
                    "required": ["type", "function"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]


def tools(offered: Sequence[Tool], choice: object, parallel: bool | None) -> str | None:
    """Return what may be called, as JSON for an API; None if there is nothing."""
    if not offered:
        return None
    said: dict[str, Any] = {
        "tools": [tool.model_dump(exclude_none=True) for tool in offered],
        "tool_choice": choice,
    }
    return orjson.dumps(
        said | ({} if parallel is None else {"parallel_tool_calls": parallel})
    ).decode()
