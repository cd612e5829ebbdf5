"""The central nouns that travel between stages: plain frozen records, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from inhouse.core.artifact import Ref
from inhouse.core.label import Label

Role = Literal["system", "user", "assistant", "tool"]
TraceState = Literal["open", "done", "failed", "aborted", "refused"]


@dataclass(frozen=True, slots=True)
class Document:
    """One text with its origin. `text` is Markdown, the normal form of all parsed formats.

    `path` is relative to the root of its source; `digest` is the sha256 of the original bytes;
    `modified` is when its text became what it is, in seconds since 1970 (UTC), 0.0 if unknown.
    """

    path: str
    title: str
    text: str
    digest: str
    modified: float = 0.0


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a document under one heading.

    `headings` runs from the document's title to the section's own heading; `anchor` is what a
    link puts behind ``#``; `position` counts sections within the document from 0. `source` is
    the artifact whose label guards it. `modified` is that of the document.
    """

    id: str
    source: Ref
    document: str
    position: int
    headings: tuple[str, ...]
    anchor: str
    text: str
    modified: float = 0.0


@dataclass(frozen=True, slots=True)
class Hit:
    """A section that was found, the passage in it that matched best, and its score in [0, 1].

    `passage` stands word for word in ``section.text``.
    """

    section: Section
    passage: str
    score: float


YEAR_10000 = 253402300800.0
"""The first second that `modified` cannot be: no date is written for it."""

SUPPORTED = 0.5
"""The support below which a question had better be refused."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: the sections, best first, and whether they hold an answer.

    `query` is what was looked for: the question, made to stand alone. `support` in [0, 1] says
    how well the sections support an answer; it is calibrated for a bar at `SUPPORTED`. What only
    greets or thanks `asks` nothing.
    """

    query: str
    hits: tuple[Hit, ...]
    support: float
    asks: bool = True


@dataclass(frozen=True, slots=True)
class Example:
    """A text with its label, for classification."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a model wants called: the id it gave that, the tool's name, the arguments as JSON."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat.

    An assistant may call tools; a turn of the role ``tool`` answers the call whose id it names.
    """

    role: Role
    content: str
    calls: tuple[ToolCall, ...] = ()
    answers: str = ""


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A name that answers: a pinned model, perhaps with a knowledge base to ground it."""

    ref: Ref
    model: Ref | None
    knowledge: Ref | None = None
    top: int = 5
    params: Mapping[str, Any] = field(default_factory=dict)


SHADOW = "shadow-"
"""How the id begins of an answer that was only recorded; then comes that of the one shown."""


@dataclass(frozen=True, slots=True)
class Trace:
    """The record of one request: who asked what, and what was answered, with what and for whom.

    `id` is the request's. `at` is when it came, in seconds since 1970; all other times are
    seconds from then. `request` is what was asked, as JSON-able values; `model` is a reference
    with its full version, or what an API calls it; of a search, the knowledge base. `sections` are
    the ids of those cited or found, and `sources` the pinned artifacts that they stand in. `label`
    is the answer's at that moment. `cost` is a plain number, in the unit that `price` names.

    It is recorded as ``open`` before the first byte of an answer leaves, and again under the same
    id before the last. One that is still open when its process has died is ``aborted``.
    """

    id: str
    at: float
    actor: str
    route: str
    state: TraceState
    label: Label
    endpoint: Ref | None = None
    model: str = ""
    digest: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    answer: str = ""
    error: str = ""
    finish: str = ""
    sections: tuple[str, ...] = ()
    sources: tuple[Ref, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token_seconds: float | None = None
    seconds: float | None = None
    cost: float | None = None
    price: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Feedback:
    """What somebody said about an answer: `score` is 1 for good, -1 for bad.

    `correction` is what it should have been. `at` is when it was kept, in seconds since 1970.
    """

    trace: str
    actor: str
    score: Literal[-1, 1]
    correction: str = ""
    at: float = 0.0
