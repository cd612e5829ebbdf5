"""The request bodies of the routes that write no text: vectors, searches, ranks, feedback.

Those of the routes that do are in `inhouse.serve.bodies`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from inhouse.core.errors import BadField
from inhouse.core.nouns import Feedback, Message
from inhouse.serve.bodies import Name, listed
from inhouse.serve.endpoint import MAX_TOP, TOP
from inhouse.serve.reading import Body, refuse
from inhouse.serve.turns import Turn

MAX_TEXTS = 2048
MAX_DOCUMENTS = 1000
MAX_CLASSIFIED = 64
MAX_LABELS = 100
MAX_WEIGHED = 1024
"""Texts times labels: each pair is read by itself, one after the other."""
ANSWER_ID = r"^((chatcmpl|cmpl)-|resp_)?[0-9a-f]{32}(-[1-9][0-9]{0,4})?$"
TEXT = {"type": "string", "minLength": 1}


def _texts(value: object) -> object:
    if isinstance(value, list) and value and isinstance(value[0], int | list):
        raise ValueError("send texts: lists of token numbers are not supported")
    return listed(value)


def _document(value: object) -> object:
    if isinstance(value, dict) and set(value) == {"text"}:
        return value["text"]
    return value


Text = Annotated[str, Field(min_length=1)]


def _texts_or_one(most: int) -> WithJsonSchema:
    many = {"type": "array", "items": TEXT, "minItems": 1, "maxItems": most}
    return WithJsonSchema({"anyOf": [TEXT, many]})


class EmbeddingBody(Body):
    """The body of ``POST /v1/embeddings``."""

    neutral: ClassVar[Mapping[str, tuple[object, ...]]] = {"dimensions": ()}

    model: Name
    input: Annotated[
        list[Text],
        Field(min_length=1, max_length=MAX_TEXTS),
        BeforeValidator(_texts),
        _texts_or_one(MAX_TEXTS),
    ]
    encoding_format: Literal["float", "base64"] = "float"


class SearchBody(Body):
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


class SectionQuery(Body):
    """What ``GET /v1/sections`` is asked for: a section, by what a citation says of it."""

    ignored = frozenset()

    source: Name
    id: Annotated[str, Field(min_length=1, max_length=4000)]


class RerankBody(Body):
    """The body of ``POST /v1/rerank``; a document is a text, or an object with one."""

    model: Name
    query: Text
    documents: Annotated[
        list[
            Annotated[
                str,
                BeforeValidator(_document),
                WithJsonSchema(
                    {
                        "anyOf": [
                            {"type": "string"},
                            {
                                "type": "object",
                                "properties": {"text": {"type": "string"}},
                                "required": ["text"],
                                "additionalProperties": False,
                            },
                        ]
                    }
                ),
            ]
        ],
        Field(min_length=1, max_length=MAX_DOCUMENTS),
    ]
    top_n: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool = False


class ClassifyBody(Body):
    """The body of ``POST /v1/classify``: texts, and the classes if the model has none itself."""

    model: Name
    input: Annotated[
        list[Text],
        Field(min_length=1, max_length=MAX_CLASSIFIED),
        BeforeValidator(_texts),
        _texts_or_one(MAX_CLASSIFIED),
    ]
    labels: Annotated[list[Name], Field(min_length=2, max_length=MAX_LABELS)] = Field(
        default_factory=list
    )
    top_k: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.labels)) < len(self.labels):
            refuse("labels", "A label stands twice among {place!r}.", "Send each one once.")
        if len(self.input) * len(self.labels) > MAX_WEIGHED:
            refuse(
                "input",
                f"More than {MAX_WEIGHED} pairs of a text and a label stand in {{place!r}}.",
                "Send fewer texts at a time.",
            )
        return self


class FeedbackBody(Body):
    """The body of ``POST /v1/feedback``: what somebody thinks of the answer with this id.

    The id is that of a response, of its request, or of one of several answers in it.
    """

    id: Annotated[str, WithJsonSchema({"type": "string", "pattern": ANSWER_ID})]
    score: Literal[-1, 1] | None = None
    thumbs: Literal["up", "down"] | None = None
    correction: Annotated[str, Field(max_length=100_000)] = ""

    @model_validator(mode="after")
    def _rated(self) -> Self:
        if not re.fullmatch(ANSWER_ID, self.id):
            fix = "Send the id of a response, such as chatcmpl-3f2a…, or its x-request-id, in full."
            refuse("id", "The field {place!r} is not the id of an answer.", fix)
        if (self.score is None) == (self.thumbs is None):
            refuse("score", "Feedback needs a score or thumbs.", "Send one of the two.")
        return self

    def feedback(self, actor: str) -> Feedback:
        """Return the feedback inside the house; it names the answer, whatever route it took."""
        good = self.score == 1 or self.thumbs == "up"
        answer = self.id.removeprefix("chatcmpl-").removeprefix("cmpl-").removeprefix("resp_")
        return Feedback(answer, actor, 1 if good else -1, self.correction)
