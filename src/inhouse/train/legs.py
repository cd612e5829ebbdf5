"""What a run learns from, leg by leg: how much of each source, said in one of three ways.

How the draws of a leg are put in order is the business of `schedule`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

# A project file is read where there is no numpy: schedules are imported where they are made.
if TYPE_CHECKING:
    from inhouse.train.schedule import Phase

By = Literal["weight", "repeat", "tokens"]


class Leg(NamedTuple):
    """A part of a run with a mix of its own.

    Args:
        mix: each source with its number, in the order of their names.
        by: what the numbers are: weights of any scale, and if all are 0 each source has as much
            as it holds; or how many times each is read whole; or how many tokens are read of it.
        tokens: by weight, how many to read.
        epochs: by weight, how often as many rows are read as there are in all its sources.
    """

    mix: tuple[tuple[str, float], ...]
    by: By = "weight"
    tokens: int | None = None
    epochs: float | None = None

    @property
    def read(self) -> int | None:
        """How many tokens are read; None if it follows from how many the sources hold."""
        return int(sum(many for _, many in self.mix)) if self.by == "tokens" else self.tokens

    def shares(self, held: Mapping[str, float]) -> dict[str, float]:
        """Return how much is read of each source, in the unit of `held` or on any scale.

        Args:
            held: how much there is of each.
        """
        if self.by == "repeat":
            return {name: times * held[name] for name, times in self.mix}
        if any(number for _, number in self.mix):
            return dict(self.mix)
        return {name: held[name] for name, _ in self.mix}

    def about(self, held: Mapping[str, float], epochs: float) -> dict[str, float]:
        """Return how many tokens of each source are read, about, where there are `held`."""
        shares = self.shares(held)
        if self.by != "weight":
            return shares
        times = epochs if self.epochs is None else self.epochs
        whole = self.tokens or times * sum(held[name] for name in shares)
        return {name: whole * share / sum(shares.values()) for name, share in shares.items()}

    def phase(self, held: Mapping[str, int], *, length: int, epochs: float) -> Phase:
        """Return its draws, in rows of `length` tokens, of which there are `held`."""
        from inhouse.train.schedule import Phase

        shares = self.shares(held)
        if self.by == "tokens":
            shares = {name: many / length for name, many in self.mix}
        if self.by != "weight":
            shares = {name: float(math.ceil(rows - 1e-9)) for name, rows in shares.items()}
            return Phase(int(sum(shares.values())), shares)
        if self.tokens is not None:
            return Phase(math.ceil(self.tokens / length), shares)
        times = epochs if self.epochs is None else self.epochs
        return Phase(max(1, math.ceil(times * sum(held[name] for name in shares))), shares)


def phases_of(
    legs: Sequence[Leg], held: Mapping[str, int], *, length: int, batch: int, epochs: float
) -> list[Phase]:
    """Return the phases of a run in whole steps: what the last one lacks is read of its last mix.

    Args:
        legs: what is read, in this order.
        held: rows of each source.
        length: tokens of a row.
        batch: rows of a step.
        epochs: how often all of a leg is read where it does not say how much.
    """
    found = [leg.phase(held, length=length, epochs=epochs) for leg in legs]
    lacking = -sum(phase.draws for phase in found) % batch
    return [*found[:-1], replace(found[-1], draws=found[-1].draws + lacking)]
