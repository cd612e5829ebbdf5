"""What a suite may be under `suites:` in inhouse.yaml, and `watch:` of what is trained with one."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from inhouse.project.data_schema import LABEL, Entry
from inhouse.project.values import DataRef, LabelText, Text

OfModels = Literal["perplexity", "questions", "choice", "classes"]
OF_MODELS = get_args(OfModels)
DRAWN = ("perplexity", "questions", "classes")


class Suite(Entry):
    """Questions with what is known of their answers: what to measure."""

    kind: Literal["retrieval", "answerability", OfModels] = Field(
        description="Of a knowledge base: retrieval, does it find the right sections? "
        "answerability, does it know when they hold no answer? Of a model: perplexity, how well "
        "does it foresee texts? questions, does it answer in the right words? choice, does it "
        "find the right answer the likeliest? classes, does it tell the labels of texts?"
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
        description="Or a data set, data/NAME: documents for perplexity, chats for questions, "
        "examples for classes.",
    )
    most: Annotated[int, Field(ge=1, strict=True)] = Field(
        default=200, description="How many rows of the data set are asked; always the same."
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


class Watch(Entry):
    """What is measured of a model while it learns."""

    every: Annotated[int, Field(ge=0, strict=True)] = Field(
        default=0, description="So many steps lie between two measurements; 0: none between."
    )
    suites: list[Text] = Field(default=[], description="suites/NAME of language models.")


def _watch(value: object) -> object:
    return {"every": value} if isinstance(value, int) and not isinstance(value, bool) else value


Watched = Annotated[Watch, BeforeValidator(_watch, json_schema_input_type=int | dict[str, Any])]
