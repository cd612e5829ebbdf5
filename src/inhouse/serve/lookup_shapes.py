"""The shapes of what the routes that write no text answer, for their description."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict


class Health(TypedDict):
    """A server that is up."""

    status: Literal["ok"]
    version: str


class Ready(TypedDict):
    """A server that can answer requests; but for some endpoints, if they are `unopened`."""

    status: Literal["ready"]
    unopened: NotRequired[int]


class ModelOrigin(TypedDict):
    """Where an endpoint, embedder or classifier comes from."""

    kind: Literal["endpoint", "embedder", "classifier"]
    ref: str
    label: str


class Model(TypedDict):
    """An endpoint or an embedder."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    inhouse: ModelOrigin


class Models(TypedDict):
    """What the caller may use."""

    object: Literal["list"]
    data: list[Model]


class Vector(TypedDict):
    """A vector as numbers, or as base64 of 32-bit numbers."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class VectorUsage(TypedDict):
    """Tokens read."""

    prompt_tokens: int
    total_tokens: int


class VectorOrigin(TypedDict):
    """Which embedder it was."""

    model: str
    digest: str
    label: str


class Embeddings(TypedDict):
    """Texts as vectors."""

    object: Literal["list"]
    model: str
    data: list[Vector]
    usage: VectorUsage
    inhouse: VectorOrigin


class RankedDocument(TypedDict):
    """A text that was ranked."""

    text: str


class Rank(TypedDict):
    """How well a text answers a query."""

    index: int
    relevance_score: float
    document: NotRequired[RankedDocument]


class Ranks(TypedDict):
    """Texts by how well they answer a query, best first."""

    object: Literal["list"]
    model: str
    results: list[Rank]
    usage: VectorUsage
    inhouse: VectorOrigin


class Class(TypedDict):
    """A class, and how probable it is that a text falls into it."""

    label: str
    probability: float


class Classified(TypedDict):
    """The classes of one text, best first; a classifier says whether it is too unsure of them."""

    index: int
    labels: list[Class]
    abstains: NotRequired[bool]


class ClassOrigin(TypedDict):
    """Which model it was; the `id` is what feedback calls the answer."""

    id: str
    endpoint: NotRequired[str]
    model: str
    digest: str
    knowledge: NotRequired[str]
    prompt: NotRequired[str]
    label: str
    abstains_below: NotRequired[float]


class Classes(TypedDict):
    """The classes of texts."""

    object: Literal["list"]
    model: str
    data: list[Classified]
    usage: VectorUsage
    inhouse: ClassOrigin


class FoundSection(TypedDict):
    """A section that was found."""

    object: Literal["section"]
    id: str
    source: str
    document: str
    headings: list[str]
    anchor: str
    link: str
    modified: str | None
    passage: str
    text: str
    score: float


class SearchOrigin(TypedDict):
    """Where sections come from."""

    knowledge: str
    label: str


class Sections(TypedDict):
    """What was found, best first."""

    object: Literal["list"]
    query: str
    support: float
    data: list[FoundSection]
    inhouse: SearchOrigin


class SectionOrigin(TypedDict):
    """Who may read a section."""

    label: str


class Section(TypedDict):
    """A section as it stands in a version of its source, and whether that is the current one."""

    object: Literal["section"]
    id: str
    source: str
    document: str
    headings: list[str]
    anchor: str
    link: str
    modified: str | None
    text: str
    current: bool
    inhouse: SectionOrigin


class Thanks(TypedDict):
    """Feedback that was taken."""

    object: Literal["feedback"]
    id: str
    score: Literal[-1, 1]
