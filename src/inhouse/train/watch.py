"""What a run shows of itself: its curves, and that it is stopped when it goes astray.

It sees numbers only; who measures them is `trainer`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from inhouse.core.errors import BadInput

CURVES = "curves.parquet"
WHOLES = ("step", "tokens")
NUMBERS = ("loss", "rate", "seconds")
WATCHED = "suites/"
FEW = 5
MANY = 20
SPIKE = 2.0
"""A run is stopped when its last `FEW` steps lose so many times what the `MANY` before them did."""
LEAST = 1.0
"""And by so much more, so that a loss near 0 may double."""


class Curves:
    """A row for each step, step 0 being before the first."""

    def __init__(self, sources: Sequence[str], rows: Sequence[Mapping[str, Any]] = ()) -> None:
        self.rows: list[dict[str, Any]] = [dict(row) for row in rows]
        self._sources = sources
        self._seen: Mapping[str, float] = {}

    def begin(self) -> None:
        """Begin with a row for what is measured before the first step."""
        self.rows.append({"step": 0, "tokens": 0, "seconds": 0.0})

    def add(self, row: Mapping[str, float], losses: Mapping[str, float]) -> None:
        """Note a step: `row` has all of `WHOLES` and `NUMBERS`, `losses` the sources it had.

        Raises:
            BadInput: the loss is no number any more, or has jumped up and stays there.
        """
        self.rows.append({**row, **{f"loss {name}": loss for name, loss in losses.items()}})
        step, loss = int(row["step"]), row["loss"]
        if not math.isfinite(loss):
            raise BadInput(
                f"The loss is no number any more in step {step} ({_worst(losses)}).",
                "Lower 'rate', or look at the documents of that source.",
            )
        past = self.losses[-FEW - MANY :]
        if len(past) == FEW + MANY:
            usual, now = median(past[:MANY]), fmean(past[MANY:])
            if now > SPIKE * usual and now > usual + LEAST:
                raise BadInput(
                    f"The loss went up from {usual:.2f} to {now:.2f} and stays there "
                    f"(step {step}, {_worst(losses)}).",
                    "Lower 'rate', or look at the documents of that source.",
                )

    def measured(self, perplexity: Mapping[str, float]) -> None:
        """Note how the model does after the last step on what was kept out of training."""
        self.rows[-1] |= {f"perplexity {name}": value for name, value in perplexity.items()}

    def watched(self, figures: Mapping[str, float]) -> None:
        """Note what a watcher saw after the last step, by suite and figure."""
        self.rows[-1] |= figures
        self._seen = figures

    def suites(self) -> dict[str, list[float]]:
        """Return of each suite's figures the first and the last that was seen."""
        found = {}
        for name in self._watched():
            values = [row[name] for row in self.rows if name in row]
            found[name] = [values[0], values[-1]]
        return found

    def told(self) -> list[str]:
        """Return in words what a watcher saw last."""
        return [f"{name} {value:.3f}" for name, value in self._seen.items()]

    def _watched(self) -> list[str]:
        names = dict.fromkeys(name for row in self.rows for name in row)
        return [name for name in names if name.startswith(WATCHED)]

    @property
    def losses(self) -> list[float]:
        """The loss of each step."""
        return [row["loss"] for row in self.rows if "loss" in row]

    def perplexity(self) -> dict[str, list[float]]:
        """Return of each source the first and the last perplexity that was measured."""
        found = {}
        for name in self._sources:
            values = [row[key] for row in self.rows if (key := f"perplexity {name}") in row]
            found[name] = [values[0], values[-1]]
        return found

    def columns(self) -> list[str]:
        """Return what may be measured in a step, beside what is in all of them."""
        return [f"{what} {name}" for what in ("loss", "perplexity") for name in self._sources]

    def save(self, folder: Path) -> None:
        """Write the table of all steps; what was not measured in a step is null there."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = [(name, pa.int64()) for name in WHOLES]
        kinds += [(name, pa.float64()) for name in (*NUMBERS, *self.columns(), *self._watched())]
        pq.write_table(pa.Table.from_pylist(self.rows, pa.schema(kinds)), folder / CURVES)

    def as_json(self) -> str:
        """Return all rows, for a checkpoint."""
        return json.dumps(self.rows)


def _worst(losses: Mapping[str, float]) -> str:
    """Name the source with the largest loss, or with one that is no number."""
    return max(losses, key=lambda name: (not math.isfinite(losses[name]), losses[name]))
