"""What a trained language model may be under `models:` in inhouse.yaml.

Pulled models and adapted embedders stand in `inhouse.project.schema`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from inhouse.core.errors import nearest
from inhouse.project.data_schema import LABEL
from inhouse.project.mix_schema import Budget, Mixed
from inhouse.project.running_schema import Running
from inhouse.project.together_schema import Rows, Together
from inhouse.project.values import LabelText, Span, Text

METHODS: Mapping[str, str] = {
    "embed": "<adapted>",
    "scratch": "<scratch>",
    "continue": "<trained>",
    "instruct": "<trained>",
    "prefer": "<trained>",
    "classify": "<classified>",
}
"""The methods by which a model is made of another one, and which kind of entry each has."""
OWN_KEYS: Mapping[str, str] = {
    "size": "<scratch>",
    "mix": "<trained>",
    "stages": "<trained>",
    "examples": "<classified>",
    "base": "<adapted>",
    "on": "<adapted>",
}
"""Keys that tell the kind of an entry whose method was forgotten."""


def known_method(value: object) -> object:
    """Return a method as it is.

    Raises:
        ValueError: there is none of that name; it says which is nearest.
    """
    if value in METHODS:
        return value
    near = nearest(value, METHODS) if isinstance(value, str) else None
    hint = f"Did you mean {near!r}?" if near else f"Write one of {', '.join(METHODS)}."
    raise ValueError(f"there is no method {value!r}.\n{hint}")


class Trained(Mixed, Together, Running):
    """A language model that has learnt from your documents, your chats, or what people prefer."""

    method: Annotated[Literal["continue", "instruct", "prefer"], BeforeValidator(known_method)] = (
        Field(
            description="continue: learn to go on with documents. instruct: learn from chats what "
            "the assistant says. prefer: learn which answers people prefer."
        )
    )
    base: Text = Field(description="The language model to start from: models/NAME.")
    budget: Budget | None = Field(
        default=None,
        description="How much it learns from: {tokens: 2M} or {epochs: 3}; if nothing is said, "
        "documents and preferences once and chats three times.",
    )
    length: Annotated[int, Field(ge=16, strict=True)] = Field(
        default=1024, description="How many tokens it sees at once."
    )
    context: Span | None = Field(
        default=None,
        description="How many tokens it is to read at most, such as 16k, if more than its base.",
    )
    batch: Rows = Field(default=8, description="How many rows of that length make a step.")
    rate: Annotated[float, Field(gt=0, le=1, strict=True)] | None = Field(
        default=None,
        description="The highest learning rate; if nothing is said, one that suits the method.",
    )
    lora: Annotated[int, Field(ge=1, le=1024, strict=True)] = Field(
        default=16, description="The rank of the LoRA adapter that is trained."
    )
    full: bool = Field(default=False, description="true trains all weights, and no adapter.")
    beta: Annotated[float, Field(gt=0, le=10, strict=True)] = Field(
        default=0.1,
        description="How much it costs to go away from what the base says; with 'method: prefer' "
        "only.",
    )
    label: LabelText = LABEL

    @model_validator(mode="after")
    def _one_of_two_ways(self) -> Self:
        if self.full and "lora" in self.model_fields_set:
            raise ValueError(
                "all weights are trained, or a LoRA adapter beside them.\n"
                "Take 'full' or 'lora' out."
            )
        return self

    @model_validator(mode="after")
    def _beta_of_preferences(self) -> Self:
        if self.method != "prefer" and "beta" in self.model_fields_set:
            raise ValueError("only 'method: prefer' has a beta.\nTake it out.")
        return self

    @property
    def alone(self) -> bool:
        """Whether only one process can train it."""
        return self.method == "prefer" or super().alone

    @property
    def rank(self) -> int:
        """The rank of the adapter; 0 if all weights are trained."""
        return 0 if self.full else self.lora
