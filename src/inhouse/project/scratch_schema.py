"""What may stand in inhouse.yaml for a language model that is made of documents alone."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from inhouse.core.errors import InhouseError
from inhouse.project.data_schema import LABEL
from inhouse.project.mix_schema import Budget, Mixed
from inhouse.project.running_schema import Running
from inhouse.project.together_schema import Together
from inhouse.project.train_schema import known_method
from inhouse.project.values import Count, LabelText, Span


class Scratch(Mixed, Together, Running):
    """A language model of your own: its words, its sizes and its weights."""

    method: Annotated[Literal["scratch"], BeforeValidator(known_method)] = Field(
        description="scratch: learn everything from your documents."
    )
    size: Count = Field(description="About how many parameters it has, such as 10M.")
    budget: Budget | None = Field(
        default=None,
        description="How much it learns from: {tokens: 5M}; if nothing is said, 20 tokens for "
        "each parameter.",
    )
    vocabulary: Span | None = Field(
        default=None,
        description="How many words its tokenizer has at most, such as 8k; if nothing is said, as "
        "many as suit the size.",
    )
    length: Annotated[int, Field(ge=16, strict=True)] = Field(
        default=512, description="How many tokens it sees at once, now and later."
    )
    rate: Annotated[float, Field(gt=0, le=1, strict=True)] | None = Field(
        default=None,
        description="The highest learning rate; if nothing is said, as suits size and budget.",
    )
    label: LabelText = LABEL

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        from inhouse.train.sizes import sizes_of

        try:
            sizes_of(self.size, self.vocabulary)
        except InhouseError as error:
            raise ValueError(f"{error.what}\n{error.fix}") from error
        return self

    @model_validator(mode="after")
    def _known_beforehand(self) -> Self:
        # A mix alone without a budget is read as the size asks for.
        plain = self.mix is not None and not self.budget and self.legs[0].by == "weight"
        if plain or (self.rate and self.batch) or all(leg.read for leg in self.legs):
            return self
        raise ValueError(
            "rate and batch follow from how many tokens there are, and that is not known before "
            "the model has its words.\n"
            "Say it in tokens, {data/NAME: {tokens: 2M}} or budget: {tokens: 2M}, or write 'rate' "
            "and 'batch'."
        )
