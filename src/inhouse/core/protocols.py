"""The protocols through which stages work together without importing each other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from inhouse.core.access import Actor
from inhouse.core.nouns import Feedback, Found, Message, Trace

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Finish = Literal["stop", "length", "tool_calls"]
ConstraintKind = Literal["json_schema", "regex", "grammar"]

NEW_TOKENS = 512
"""How long an answer of a model that runs here may be if nobody says."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """What an answer must be: JSON of a schema, or a sentence of a regular expression or grammar.

    `text` is the schema as JSON, the expression, or the grammar in EBNF with the rule ``root``.
    Without `strict` an API may do its best; a model that runs here keeps to it anyway.
    """

    kind: ConstraintKind
    text: str
    strict: bool = True


JSON_OBJECT = Constraint("json_schema", '{"type":"object"}')
"""Any JSON object."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to choose the next token. Temperature 0 is greedy.

    `max_tokens` of None leaves it to the model: `NEW_TOKENS`, or what an API thinks right.

    `repetition_penalty` divides the scores of tokens that were there before (Keskar et al.,
    arXiv 1909.05858); None leaves it to whoever asks the model, and 1 does nothing. The other two
    penalties are subtracted for each token of the answer, once or each time it came.
    `logprobs` asks for the log-probability of each token and of so many of the likeliest ones;
    None asks for nothing. `logit_bias` is added to the scores of single tokens. `tools` is what
    may be called: a JSON object with OpenAI's ``tools`` and what belongs to them.
    """

    max_tokens: int | None = None
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    top_k: int | None = None
    min_p: float = 0.0
    logprobs: int | None = None
    logit_bias: tuple[tuple[int, float], ...] = ()
    constraint: Constraint | None = None
    tools: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written; `estimated` if somebody's API did not tell."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token by number and bytes, and the natural logarithm of its probability.

    The probability is the model's own, before temperature, penalties and constraints. The first
    token of a text has none.
    """

    id: int
    raw: bytes
    logprob: float | None


@dataclass(frozen=True, slots=True)
class TokenScore(Candidate):
    """A token of a text, where it begins in it, and the likeliest ones in its place."""

    start: int = 0
    top: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class CallPart:
    """More of the call with this number: `id` and `name` come once, `arguments` bit by bit."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a streamed answer. `usage` is that so far; the last piece carries `finish`.

    `tokens` are those that came since the last piece, if log-probabilities were asked for, and
    `calls` what came of calls of tools.
    `unmet` says, in the last piece, that the answer ended before its constraint was met.
    """

    text: str
    finish: Finish | None = None
    usage: Usage | None = None
    tokens: tuple[TokenScore, ...] = ()
    unmet: bool = False
    calls: tuple[CallPart, ...] = ()


class LanguageModel(Protocol):
    """Writes an answer: an owned model on any engine, or somebody's API."""

    @property
    def name(self) -> str:
        """What it is called in responses."""
        ...

    @property
    def context_tokens(self) -> int | None:
        """How many tokens prompt and answer may have together; None if the provider decides."""
        ...

    def chat(self, messages: Sequence[Message], sampling: Sampling) -> AsyncIterator[Piece]:
        """Stream the answer to a conversation; closing the iterator aborts it.

        Raises:
            TooLong: the prompt leaves no room for an answer.
            ProviderError: a remote model failed.
        """
        ...

    async def close(self) -> None:
        """Free what it holds."""
        ...


class Embedder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit vectors, float32 of shape [len(texts), width]."""
        ...

    def embed_tokens(
        self, texts: Sequence[str], *, starts: Sequence[int]
    ) -> tuple[npt.NDArray[np.float32], list[npt.NDArray[np.float32]]]:
        """Return what `embed` does, and unit vectors of the tokens of each text.

        Of each text, the tokens that begin at its character in `starts` or behind it are given,
        float32 of shape [tokens, width]; what stands before them they have read.
        """
        ...

    def pieces(self, text: str) -> list[str]:
        """Return the piece of a text that each of its tokens in `embed_tokens` stands for."""
        ...

    def tokens(self, texts: Sequence[str]) -> int:
        """Return how many tokens `embed` reads for these texts."""
        ...


class Classifier(Protocol):
    """Puts texts into classes."""

    @property
    def classes(self) -> Sequence[str]:
        """The classes, in the order of the scores."""
        ...

    def classify(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return probabilities, float32 of shape [len(texts), len(classes)]."""
        ...


@runtime_checkable
class OwnClasses(Classifier, Protocol):
    """A classifier that was trained on classes of its own, and knows when it had better be silent.

    Its probabilities are calibrated, and a text's are the same whatever comes with it.
    """

    @property
    def below(self) -> float:
        """With less confidence than this, a text's likeliest class should not be relied on."""
        ...

    def tokens(self, texts: Sequence[str]) -> int:
        """Return how many tokens `classify` reads for these texts."""
        ...


class Retriever(Protocol):
    """Finds sections that an actor may read."""

    def search(
        self, query: str, actor: Actor, *, top: int, before: Sequence[Message] = ()
    ) -> Found:
        """Return the best `top` sections of those the actor may read.

        Of a long query only the beginning is looked for. `before` are the earlier turns of the
        conversation, which the question may lean on.
        What the actor may not read has no influence on the result, the scores included.

        Raises:
            Refused: the actor may read no source of this knowledge base.
        """
        ...

    def close(self) -> None:
        """Free what it holds; a search that is under way ends first, or fails."""
        ...


class Sink(Protocol):
    """Takes traces; returns only when they are safe.

    Who stops waiting does not stop the recording.
    """

    async def record(self, trace: Trace) -> None:
        """Store a trace durably; it takes the place of one with the same id.

        Raises:
            StoreError: it could not be written.
        """
        ...


class FeedbackSink(Protocol):
    """Takes what people think of answers."""

    async def take(self, feedback: Feedback, actor: Actor) -> None:
        """Store feedback of an actor durably; it takes the place of what they said before.

        Raises:
            NotFound: there is no such trace, or the actor may not know of it.
            StoreError: it could not be written.
        """
        ...


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The sum of the log-probabilities of a text's tokens, and how many were judged."""

    logprob: float
    tokens: int


class Answers(Protocol):
    """What answers questions of suites: a language model, or an endpoint."""

    def answers(self, conversations: Sequence[Sequence[Message]], *, tokens: int) -> Sequence[str]:
        """Return what it says next in each, greedily, in so many tokens at most."""
        ...


class Examined(Answers, Protocol):
    """A language model as suites ask it: one that is served, or one that is being trained.

    Each text is judged by itself, whatever is asked together with it.
    """

    def read(self, texts: Sequence[str]) -> Sequence[Likelihood]:
        """Return how likely texts are; the first token of each is given, and not judged."""
        ...

    def endings(self, asked: Sequence[tuple[str, Sequence[str]]]) -> Sequence[Sequence[Likelihood]]:
        """Return of each text how likely each of its endings is behind it."""
        ...


class Watcher(Protocol):
    """Looks on while a language model is trained."""

    def look(self, model: Examined) -> Mapping[str, float]:
        """Return figures of the model as it is now, by name; it learns nothing from being asked."""
        ...
