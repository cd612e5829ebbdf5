"""What may stand under `data:` in inhouse.yaml, and what all entries share.

The other sections stand in `inhouse.project.schema`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from inhouse.project.values import Cluster, DataStep, LabelText, Text, Texts

LABEL = Field(
    default="open",
    description="Who may use it and all made from it: groups joined by | (any of) and & (all of).",
)


class Entry(BaseModel):
    """An entry that knows exactly its own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Data(Entry):
    """A data set: files on disk, or other data sets put together."""

    sources: Texts = Field(
        alias="from",
        description="Globs, folders or files relative to this file; or data/NAME of other entries.",
    )
    kind: Literal["documents", "chats", "examples", "preferences"] | None = Field(
        default=None, description="What its rows are; if nothing is said, what their columns say."
    )
    columns: dict[str, Text] | None = Field(
        default=None,
        alias="schema",
        description="Which column holds what, such as {text: text, label: intent}.",
    )
    steps: list[DataStep] = Field(
        default=[],
        description="How other data sets are cleaned, step by step: names of steps, or "
        "{NAME: settings}.",
    )
    on: Cluster | None = Field(
        default=None,
        description="The Ray cluster whose machines do the steps, such as ray://head:10001.",
    )
    label: LabelText = LABEL

    @model_validator(mode="after")
    def _on_with_steps(self) -> Self:
        if self.on and not self.steps:
            raise ValueError("only 'steps' are done on a cluster.\nTake 'on' out.")
        return self


class Expanded(Entry):
    """A small data set made larger: a language model writes new examples like the given ones."""

    gold: Text = Field(alias="expand", description="The examples or chats to go by: data/NAME.")
    by: Text = Field(description="Who writes: models/NAME, or endpoints/NAME without knowledge.")
    per: Literal["class", "task"] = Field(
        default="class",
        description="class: new examples of each label. task: new chats like the given ones.",
    )
    to: Annotated[int, Field(ge=1, strict=True)] = Field(
        description="How many there shall be in the end, for each class or in all, gold included."
    )
    apart: Texts = Field(
        default=[], description="Test sets, data/NAME, of which nothing new may be a near-copy."
    )
    embed: Text | None = Field(
        default=None,
        description="The embedder behind the check of labels: models/NAME; else word counts.",
    )
    label: LabelText = LABEL


class Taught(Entry):
    """Texts with the labels that a teacher gives them, and how sure it is of each."""

    texts: Text = Field(alias="teacher-label", description="The texts to be labelled: data/NAME.")
    like: Text = Field(description="Examples that show which labels there are: data/NAME.")
    by: Text | None = Field(
        default=None,
        description="The teacher: an embedder or a language model, models/NAME; else word counts.",
    )
    label: LabelText = LABEL


class Sharded(Entry):
    """Tokens that somebody made before, in MosaicML's shards (MDS): to be mixed, and no more."""

    folder: Text = Field(alias="shards", description="The folder with index.json and the shards.")
    of: Text = Field(description="The model whose tokenizer made them: models/NAME.")
    label: LabelText = LABEL


def _kind_of_data(value: object) -> str:
    if isinstance(value, dict):
        return next((tag for key, tag in DATA.items() if key in value), "<collected>")
    return TAGS.get(type(value), "<collected>")


DATA = {"expand": "<expanded>", "teacher-label": "<taught>", "shards": "<sharded>"}
TAGS: dict[type, str] = {Expanded: "<expanded>", Taught: "<taught>", Sharded: "<sharded>"}

AnyData = Annotated[
    Annotated[Data, Tag("<collected>")]
    | Annotated[Expanded, Tag("<expanded>")]
    | Annotated[Taught, Tag("<taught>")]
    | Annotated[Sharded, Tag("<sharded>")],
    Discriminator(_kind_of_data),
]
