"""The shapes of failures and of what the routes that write text answer, for their description.

Those of the other routes are in `inhouse.serve.lookup_shapes`.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict


class Fault(TypedDict):
    """What was wrong, and how to mend it."""

    message: str
    type: Literal[
        "authentication_error", "invalid_request_error", "permission_error", "server_error"
    ]
    param: str | None
    code: str


class Failure(TypedDict):
    """The answer to a request that failed."""

    error: Fault


class Usage(TypedDict):
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Cited(TypedDict):
    """A section that an answer rests on."""

    number: int
    source: str
    document: str
    heading: str
    anchor: str
    id: str
    quote: str
    link: str
    modified: str | None


class Tried(TypedDict):
    """A model that was passed over, and why."""

    model: str
    reason: str


class Origin(TypedDict):
    """Where an answer comes from, what it rests on, and its label.

    Its `id` is what feedback calls it.
    """

    id: str
    endpoint: str
    model: str
    digest: str
    knowledge: str
    prompt: str
    label: str
    query: str | None
    support: float | None
    refused: bool
    unmet: bool
    cost: float | None
    price: str
    tried: list[Tried]
    citations: list[Cited]


class Function(TypedDict):
    """A function and its arguments as JSON."""

    name: str
    arguments: str


class Called(TypedDict):
    """A call of a tool."""

    id: str
    type: Literal["function"]
    function: Function


class Said(TypedDict):
    """What an assistant says."""

    role: Literal["assistant"]
    content: str | None
    tool_calls: NotRequired[list[Called]]


class Token(TypedDict):
    """A token and its log-probability."""

    token: str
    logprob: float | None
    bytes: list[int]


class ScoredToken(Token):
    """A token with the likeliest ones in its place."""

    top_logprobs: list[Token]


class ChatLogprobs(TypedDict):
    """The tokens of an answer."""

    content: list[ScoredToken]
    refusal: None


Finish = Literal["stop", "length", "tool_calls"]


class ChatChoice(TypedDict):
    """An answer to a conversation."""

    index: int
    message: Said
    finish_reason: Finish
    logprobs: NotRequired[ChatLogprobs]
    inhouse: NotRequired[Origin]


class ChatCompletion(TypedDict):
    """Answers to a conversation."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    inhouse: Origin


class TextLogprobs(TypedDict):
    """The tokens of a text, and where each begins."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float | None] | None]
    text_offset: list[int]


class TextChoice(TypedDict):
    """How a text goes on."""

    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: Finish


class TextCompletion(TypedDict):
    """How texts go on."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage
    inhouse: Origin


class OutputText(TypedDict):
    """A text in a response."""

    type: Literal["output_text"]
    text: str
    annotations: list[Any]
    logprobs: list[Any]


class OutputMessage(TypedDict):
    """A message in a response."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    status: Literal["in_progress", "completed", "incomplete"]
    content: list[OutputText]


class ResponseUsage(TypedDict):
    """Tokens read and written."""

    input_tokens: int
    input_tokens_details: dict[str, int]
    output_tokens: int
    output_tokens_details: dict[str, int]
    total_tokens: int


class Response(TypedDict):
    """One answer, with the settings that it was written with."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["in_progress", "completed", "incomplete"]
    error: None
    incomplete_details: dict[str, str] | None
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    model: str
    output: list[OutputMessage]
    parallel_tool_calls: bool
    previous_response_id: None
    store: bool
    temperature: float
    text: dict[str, Any]
    tool_choice: str
    tools: list[Any]
    top_p: float
    truncation: str
    usage: ResponseUsage | None
    inhouse: NotRequired[Origin]
