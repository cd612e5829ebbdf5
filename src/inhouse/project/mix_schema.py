"""What a language model learns from, in inhouse.yaml: a mix, or stages that each have one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from inhouse.project.data_schema import Entry
from inhouse.project.values import Count, DataRef, Weight, checked_mix
from inhouse.train.legs import By, Leg

MIX = (
    "What it learns from: {data/NAME: weight}, or one or more data/NAME, each as much as it holds; "
    "or {data/NAME: {repeat: 3}}, each so many times, or {data/NAME: {tokens: 2M}}, so many tokens "
    "of each."
)
Times = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]


class Budget(Entry):
    """How much a model learns from."""

    tokens: Count | None = Field(default=None, description="So many tokens, such as 500k or 2M.")
    epochs: Times | None = Field(default=None, description="So many times all there is.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.tokens is None) == (self.epochs is None):
            raise ValueError(
                "a budget is either a number of tokens or one of epochs.\n"
                "Write {tokens: 2M} or {epochs: 3}."
            )
        return self


class Amount(Entry):
    """How much of a data set is read, whatever there is of the others."""

    repeat: Times | None = Field(default=None, description="So many times all of it.")
    tokens: Count | None = Field(default=None, description="So many tokens of it, such as 2M.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.repeat is None) == (self.tokens is None):
            raise ValueError(
                "how much of a data set is read is a number of times or one of tokens.\n"
                "Write {repeat: 3} or {tokens: 2M}."
            )
        return self


def _kind(value: object) -> str:
    return "<amount>" if isinstance(value, Mapping | Amount) else "<weight>"


def _of_one_kind(value: dict[str, Any]) -> dict[str, Any]:
    if len(found := {_by(number) for number in value.values()}) > 1:
        raise ValueError(
            f"some of it is told by {' and some by '.join(sorted(found))}.\n"
            "Say it of all in one way: a weight, {repeat: 3} or {tokens: 2M}."
        )
    return value


def _by(number: float | Amount | None) -> By:
    if not isinstance(number, Amount):
        return "weight"
    return "tokens" if number.repeat is None else "repeat"


Part = Annotated[
    Annotated[Weight | None, Tag("<weight>")] | Annotated[Amount, Tag("<amount>")],
    Discriminator(_kind),
]
Amounts = Annotated[
    dict[DataRef, Part],
    BeforeValidator(
        checked_mix, json_schema_input_type=str | list[str] | dict[str, float | Amount]
    ),
    Field(min_length=1),
]


class Stage(Entry):
    """A part of a training, with a mix of its own."""

    mix: Amounts = Field(description=MIX)
    budget: Budget | None = Field(
        default=None,
        description="How much is read in it: {tokens: 2M} or {epochs: 3}; if nothing is said, as "
        "with a mix alone.",
    )

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        check_budget(self.mix, self.budget)
        return self


class Mixed(Entry):
    """What has a mix, or stages."""

    mix: Amounts | None = Field(default=None, description=MIX)
    stages: Annotated[list[Stage], Field(min_length=1)] | None = Field(
        default=None,
        description="Several mixes one after another: [{mix, budget}, …]. The learning rate falls "
        "over all of them.",
    )
    budget: Budget | None = Field(default=None, description="How much it learns from.")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.mix is None) == (self.stages is None):
            raise ValueError(
                "what it learns from is a 'mix', or 'stages' that each have one.\n"
                "Write one of both."
            )
        if self.mix is not None:
            check_budget(self.mix, self.budget)
        elif self.budget:
            raise ValueError(
                "each of the 'stages' has a budget of its own.\n"
                "Take the one beside them out, and write {mix: …, budget: …} in each."
            )
        return self

    @property
    def legs(self) -> Sequence[Leg]:
        """What is read, leg by leg."""
        if self.stages is None:
            return [leg_of(self.mix or {}, self.budget)]
        return [leg_of(stage.mix, stage.budget) for stage in self.stages]

    @property
    def sources(self) -> Sequence[str]:
        """The data sets that it learns from, in the order of their names."""
        return sorted({name for leg in self.legs for name, _ in leg.mix})

    def places(self) -> Sequence[tuple[tuple[str | int, ...], str]]:
        """Return each data set that it names, with its first place below the entry."""
        if self.stages is None:
            return [(("mix", ref), ref) for ref in self.mix or {}]
        found: dict[str, tuple[str | int, ...]] = {}
        for i, one in enumerate(self.stages):
            for ref in one.mix:
                found.setdefault(ref, ("stages", i, "mix", ref))
        return [(place, ref) for ref, place in found.items()]


def check_budget(mix: Mapping[str, float | Amount | None], budget: object) -> None:
    """Refuse a budget beside a mix that says by itself how much is read, or says it in two ways.

    Raises:
        ValueError: it is so.
    """
    _of_one_kind(dict(mix))
    by = _by(next(iter(mix.values())))
    if budget and by != "weight":
        raise ValueError(
            f"a mix by {by} says by itself how much is read.\n"
            "Take the budget out, or write weights."
        )


def leg_of(mix: Mapping[str, float | Amount | None], budget: Budget | None) -> Leg:
    """Return what the words of a mix and its budget say."""
    by = _by(next(iter(mix.values())))
    numbers = tuple((ref, _number(mix[ref])) for ref in sorted(mix))
    tokens, epochs = (budget.tokens, budget.epochs) if budget else (None, None)
    return Leg(numbers, by, tokens, epochs)


def _number(of: float | Amount | None) -> float:
    return (of.repeat or of.tokens or 0) if isinstance(of, Amount) else of or 0.0
