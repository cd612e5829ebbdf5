"""What may stand in inhouse.yaml for a classifier that is trained on examples."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from inhouse.project.data_schema import LABEL, Entry
from inhouse.project.values import LabelText, Text


class Classified(Entry):
    """A classifier of texts that has learnt from your examples."""

    method: Literal["classify"] = Field(description="classify: learn the labels of examples.")
    base: Text = Field(description="The embedder to start from: models/NAME.")
    examples: Text = Field(description="The examples to learn from: data/NAME.")
    label: LabelText = LABEL
