"""The request bodies of the routes that write text, in OpenAI's dialect.

The settings that chats and raw prompts share stand once; what belongs to a kind of answer (JSON,
a grammar) or to tools is in `inhouse.serve.forms`, a message in `inhouse.serve.turns`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from inhouse.core.nouns import Message
from inhouse.core.protocols import Constraint, Sampling
from inhouse.serve.forms import Format, StructuredOutputs, TextFormat, Tool, ToolChoice, tools
from inhouse.serve.reading import Body, refuse
from inhouse.serve.turns import Turn

MAX_TOKENS = 1_000_000
MAX_CHOICES = 128
MAX_EACH = 8
"""How many answers to one prompt: each takes as much as a request of its own."""
MAX_STOPS = 16
MAX_TOKEN = 2**31 - 1
RAW_TOKENS = 16
"""How long the continuation of a raw prompt may be if nobody says, as in OpenAI's dialect."""

DEFAULT = Sampling()
NOT_STORED = frozenset(
    {
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
    }
)


def listed(value: object) -> object:
    """Return a text as a list of one."""
    return [value] if isinstance(value, str) else value


STOP = {"type": "string", "minLength": 1}
TOKENS = {
    "type": "array",
    "items": {"type": "integer", "minimum": 0, "maximum": MAX_TOKEN},
    "minItems": 1,
}
PROMPTS = {
    "anyOf": [
        {"type": "string"},
        TOKENS,
        *(
            {"type": "array", "items": item, "minItems": 1, "maxItems": MAX_CHOICES}
            for item in ({"type": "string"}, TOKENS)
        ),
    ]
}

Name = Annotated[str, Field(min_length=1, max_length=200)]
Longest = Annotated[int, Field(ge=1, le=MAX_TOKENS)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Token = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]
Bias = Annotated[float, Field(ge=-100, le=100)]
Stops = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    Field(max_length=MAX_STOPS),
    BeforeValidator(listed),
    WithJsonSchema({"anyOf": [STOP, {"type": "array", "items": STOP, "maxItems": MAX_STOPS}]}),
]


class StreamOptions(Body):
    """What a stream carries beside the text."""

    ignored = frozenset({"include_obfuscation"})

    include_usage: bool = False


class _Asked(Body):
    model: Name
    stream: bool = False
    temperature: Annotated[float, Field(ge=0, le=2)] = DEFAULT.temperature
    top_p: Annotated[float, Field(ge=0.001, le=1)] = DEFAULT.top_p

    @model_validator(mode="after")
    def _not_too_cold(self) -> Self:
        if 0 < self.temperature < 0.001:
            refuse("temperature", "The temperature is too low.", "Send 0, or 0.001 to 2.")
        return self


class _Settings(_Asked):
    """What chats and raw prompts share."""

    stream_options: StreamOptions = StreamOptions()
    n: Annotated[int, Field(ge=1, le=MAX_EACH)] = 1
    stop: Stops = Field(default_factory=list)
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.5, le=2)] | None = None
    frequency_penalty: Penalty = 0.0
    presence_penalty: Penalty = 0.0
    top_k: Annotated[int, Field(ge=-1, lt=2**31)] | None = None
    min_p: Annotated[float, Field(ge=0, lt=1)] = 0.0
    logit_bias: Annotated[dict[Token, Bias], Field(max_length=1024, default_factory=dict)]
    response_format: Format | None = None
    structured_outputs: StructuredOutputs | None = None

    def _sampling(self, **more: Any) -> Sampling:  # noqa: ANN401 - fields of a sampling
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            stop=tuple(self.stop),
            seed=self.seed,
            repetition_penalty=self.repetition_penalty,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            # 0 and -1 turn it off, as others have it.
            top_k=self.top_k if self.top_k and self.top_k > 0 else None,
            min_p=self.min_p,
            logit_bias=tuple((int(token), bias) for token, bias in self.logit_bias.items()),
            constraint=self._constraint(),
            **more,
        )

    def _constraint(self) -> Constraint | None:
        said = self.response_format.constraint() if self.response_format else None
        return self.structured_outputs.constraint() if self.structured_outputs else said

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.response_format and self.structured_outputs:
            what = "An answer cannot have both a response_format and structured_outputs."
            refuse("structured_outputs", what, "Send one of the two.")
        return self


class ChatBody(_Settings):
    """The body of ``POST /v1/chat/completions``."""

    ignored = NOT_STORED
    neutral: ClassVar[Mapping[str, tuple[object, ...]]] = {
        "audio": (),
        "function_call": ("none",),
        "functions": ([],),
        "modalities": (["text"],),
        "moderation": (),
        "prediction": (),
        "reasoning_effort": (),
        "verbosity": (),
        "web_search_options": (),
    }

    messages: Annotated[list[Turn], Field(min_length=1)]
    max_tokens: Longest | None = None
    max_completion_tokens: Longest | None = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = 0
    tools: Annotated[list[Tool], Field(max_length=128, default_factory=list)]
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool | None = None

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            refuse("top_logprobs", "There are no top_logprobs without logprobs.", "Set logprobs.")
        if not self.tools and self.tool_choice not in ("none", "auto"):
            refuse("tool_choice", "There is no tool to choose.", "Send tools as well.")
        return self

    def sampling(self) -> Sampling:
        """Return how to choose the next token."""
        return self._sampling(
            max_tokens=self.max_completion_tokens or self.max_tokens,
            logprobs=self.top_logprobs if self.logprobs else None,
            tools=tools(self.tools, self.tool_choice, self.parallel_tool_calls),
        )


def _prompts(value: object) -> object:
    """Return a list of prompts, each a text or a list of tokens."""
    alone = isinstance(value, str) or (
        isinstance(value, list) and value and isinstance(value[0], int)
    )
    return [value] if alone else value


def _prompt(value: object) -> object:
    if isinstance(value, str):
        return value
    whole = isinstance(value, list) and value
    if not whole or not all(type(token) is int and 0 <= token <= MAX_TOKEN for token in value):  # type: ignore[attr-defined]
        raise ValueError("send a text or a list of the numbers of tokens")
    return value


class CompletionBody(_Settings):
    """The body of ``POST /v1/completions``: prompts as text or as the numbers of tokens."""

    ignored = NOT_STORED
    neutral: ClassVar[Mapping[str, tuple[object, ...]]] = {"best_of": (1,), "suffix": ("",)}

    prompt: Annotated[
        list[Annotated[Any, BeforeValidator(_prompt)]],
        Field(min_length=1, max_length=MAX_CHOICES),
        BeforeValidator(_prompts),
        WithJsonSchema(PROMPTS),
    ]
    max_tokens: Annotated[int, Field(ge=0, le=MAX_TOKENS)] = RAW_TOKENS
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    echo: bool = False

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.max_tokens and not self.echo:
            refuse("max_tokens", "Nothing is asked for.", "Ask for a token, or for an echo.")
        if len(self.prompt) * self.n > MAX_CHOICES:
            refuse("n", f"More than {MAX_CHOICES} answers are asked for.", "Send fewer prompts.")
        return self

    def sampling(self) -> Sampling:
        """Return how to choose the next token."""
        return self._sampling(max_tokens=self.max_tokens or None, logprobs=self.logprobs)


class ResponseBody(_Asked):
    """The body of ``POST /v1/responses``."""

    ignored = NOT_STORED - {"metadata"} | {"parallel_tool_calls", "stream_options"}
    neutral: ClassVar[Mapping[str, tuple[object, ...]]] = {
        "background": (False,),
        "context_management": (),
        "conversation": (),
        "include": ([],),
        "max_tool_calls": (),
        "previous_response_id": (),
        "prompt": (),
        "reasoning": ({},),
        "tool_choice": ("auto", "none"),
        "tools": ([],),
        "top_logprobs": (0,),
        "truncation": ("disabled",),
    }

    input: Annotated[
        str | list[Turn],
        Field(min_length=1),
    ]
    instructions: str = ""
    max_output_tokens: Longest | None = None
    text: TextFormat = TextFormat()
    metadata: dict[str, str] = Field(default_factory=dict)

    def messages(self) -> Sequence[Message]:
        """Return the conversation inside the house."""
        first = [Message("system", self.instructions)] if self.instructions else []
        if isinstance(self.input, str):
            return [*first, Message("user", self.input)]
        return [*first, *(turn.message() for turn in self.input)]

    def sampling(self) -> Sampling:
        """Return how to choose the next token."""
        return Sampling(
            max_tokens=self.max_output_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            constraint=self.text.constraint(),
        )
