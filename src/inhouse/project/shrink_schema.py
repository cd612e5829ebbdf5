"""What may stand in inhouse.yaml for a language model that is made small.

Classifiers stand in `inhouse.project.compress_schema`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from inhouse.project.data_schema import LABEL, Entry
from inhouse.project.mix_schema import Budget
from inhouse.project.values import LabelText, Mix, Share, Text


def _some(share: float) -> float:
    if not share:
        raise ValueError("to leave out nothing changes nothing.\nWrite such as 10% or 0.1.")
    return share


class Rise(Entry):
    """What a smaller language model may cost."""

    perplexity: Share = Field(
        description="By how much the perplexity of the test may rise, with 95 % confidence, such "
        "as 2%."
    )
    mb: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="How many megabytes it may have, if that matters."
    )


class Fewer(Entry):
    """Models with fewer layers, which learn again from the whole one."""

    mix: Mix = Field(
        description="What they learn to answer like the whole model on: data/NAME, or several as "
        "under 'mix' of a model that is trained."
    )
    leave_out: Annotated[
        list[Annotated[Share, AfterValidator(_some)]], Field(min_length=1, max_length=4)
    ] = Field(
        default=[0.1, 0.2], description="Which shares of the layers to leave out: [10%, 20%]."
    )
    budget: Budget | None = Field(
        default=None, description="How much each learns from; all there is once, if left out."
    )
    length: Annotated[int, Field(ge=16, strict=True)] = Field(
        default=512, description="How many tokens it sees at once."
    )
    batch: Annotated[int, Field(ge=1, strict=True)] = Field(
        default=8, description="How many rows of that length make a step."
    )
    rate: Annotated[float, Field(gt=0, le=1, strict=True)] = Field(
        default=3e-4, description="The highest learning rate."
    )


class Shrunk(Entry):
    """A language model in the smallest form that is still good enough."""

    compress: Text = Field(description="The language model to make small: models/NAME.")
    budget: Rise = Field(description="What it may cost: {perplexity: 2%, mb: 100}.")
    test: Text = Field(
        description="Documents or chats that it did not learn from, to judge by: data/NAME."
    )
    layers: Fewer | None = Field(
        default=None, description="Try models with fewer layers too, which takes training."
    )
    label: LabelText = LABEL

    @property
    def sources(self) -> Sequence[str]:
        """The data sets that models with fewer layers learn from."""
        return list(self.layers.mix) if self.layers else []
