"""What may stand in inhouse.yaml for a model that is made small."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from inhouse.project.data_schema import LABEL, Entry
from inhouse.project.values import LabelText, Text


class Limits(Entry):
    """What a smaller model may cost."""

    points: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = Field(
        default=1.0,
        description="The points of accuracy that may be lost, with 95 % confidence.",
    )
    p95_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None,
        description="Milliseconds that 95 of 100 texts may take, each asked alone, on the machine "
        "that makes it.",
    )
    mb: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="Megabytes that all that serving loads may have together."
    )


class Compressed(Entry):
    """A classifier that does as another one does, ten to a hundred times smaller."""

    compress: Text = Field(description="The classifier to learn from: models/NAME.")
    budget: Limits = Field(default=Limits(), description="What it may cost.")
    test: Text | None = Field(
        default=None,
        description="Examples that the classifier did not learn from, to judge by: data/NAME; "
        "if left out, those that it held out.",
    )
    texts: Text | None = Field(
        default=None,
        description="More texts like those that will come, labelled or not: data/NAME.",
    )
    all: bool = Field(
        default=False,
        description="Try every size, so that the report shows them all, and not only until one "
        "keeps to the budget.",
    )
    label: LabelText = LABEL
