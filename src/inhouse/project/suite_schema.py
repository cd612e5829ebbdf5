"""What a suite may be under `suites:` in inhouse.yaml, and `watch:` of what is trained with one."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from inhouse.project.data_schema import LABEL, Entry
from inhouse.project.values import DataRef, LabelText, Span, Text

OfModels = Literal["perplexity", "questions", "choice", "classes", "needle"]
OF_MODELS = get_args(OfModels)
DRAWN = ("perplexity", "questions", "classes", "needle")
HIDING = ("lengths", "depths", "times")


class Suite(Entry):
    """Questions with what is known of their answers: what to measure."""

    kind: Literal["retrieval", "answerability"] | OfModels = Field(
        description="Of a knowledge base: retrieval, does it find the right sections? "
        "answerability, does it know when they hold no answer? Of a model: perplexity, how well "
        "does it foresee texts? questions, does it answer in the right words? choice, does it "
        "find the right answer the likeliest? classes, does it tell the labels of texts? needle, "
        "does it find one sentence in a long text?"
    )
    source: Text | None = Field(
        default=None,
        alias="from",
        description='A file with a JSON object a line: {"query", "relevant": [ids of sections]}, '
        '{"query" or "messages", "answerable"}, {"text"}, {"query" or "messages", "answers"}, '
        '{"query" or "text", "choices", "answer"}, or {"text", "label"}.',
    )
    data: DataRef | None = Field(
        default=None,
        alias="on",
        description="Or a data set, data/NAME: documents for perplexity and needle, chats for "
        "questions, examples for classes.",
    )
    most: Annotated[int, Field(ge=1, strict=True)] = Field(
        default=200, description="How many rows of the data set are asked; always the same."
    )
    lengths: Annotated[list[Span], Field(min_length=1)] = Field(
        default=[512, 1024, 2048],
        description="Of a needle: how many tokens the texts have that it is hidden in, such as "
        "[512, 1k, 2k]; four characters are taken for a token.",
    )
    depths: Annotated[int, Field(ge=1, le=100, strict=True)] = Field(
        default=5, description="At how many places from beginning to end a needle stands."
    )
    times: Annotated[int, Field(ge=1, le=1000, strict=True)] = Field(
        default=4, description="How many needles are asked for each length and place."
    )
    label: LabelText = LABEL

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.source is None) == (self.data is None):
            raise ValueError(
                "questions come from a file, or are drawn from a data set.\n"
                "Write from: FILE or on: data/NAME."
            )
        if self.data and self.kind not in DRAWN:
            raise ValueError(
                f"a suite of the kind {self.kind} is drawn from no data set.\n"
                "Write its questions into a file, and name that under 'from'."
            )
        if self.source and "most" in self.model_fields_set:
            raise ValueError("'most' changes nothing: a file is asked whole.\nTake it out.")
        return self

    @model_validator(mode="after")
    def _hidden(self) -> Self:
        unused = ("most",) if self.kind == "needle" else HIDING
        if found := next((name for name in unused if name in self.model_fields_set), None):
            raise ValueError(
                f"{found!r} changes nothing of a suite of the kind {self.kind}.\nTake it out."
            )
        if self.kind == "needle" and not self.data:
            raise ValueError(
                "a needle is hidden in documents.\nName a data set of them, on: data/NAME."
            )
        return self


class Watch(Entry):
    """What is measured of a model while it learns."""

    every: Annotated[int, Field(ge=0, strict=True)] = Field(
        default=0, description="So many steps lie between two measurements; 0: none between."
    )
    suites: list[Text] = Field(default=[], description="suites/NAME of language models.")


def _watch(value: object) -> object:
    return {"every": value} if isinstance(value, int) and not isinstance(value, bool) else value


Watched = Annotated[Watch, BeforeValidator(_watch, json_schema_input_type=int | dict[str, Any])]
