"""What a run on preferences shows of itself, beside what every run shows.

It sees numbers only; who measures them is `preference`.
"""

from __future__ import annotations

from collections.abc import Mapping

from inhouse.train.watch import Curves

TOLD = ("margin", "accuracy")
HELD = "held"
MEASURED = ("loss", *TOLD, "likelier")


class PreferenceCurves(Curves):
    """A row for each step, with margin and accuracy, and both of what is kept out at times."""

    def measured(self, perplexity: Mapping[str, float]) -> None:
        """Note how the model does after the last step on what was kept out of training.

        Here these are measures and sources, such as ``accuracy data/pairs``.
        """
        self.rows[-1] |= {f"{HELD} {name}": value for name, value in perplexity.items()}

    def perplexity(self) -> dict[str, list[float]]:
        """Return nothing: it is not measured of answers."""
        return {}

    def held(self) -> dict[str, dict[str, list[float]]]:
        """Return of each source and measure what was measured first and last."""
        found: dict[str, dict[str, list[float]]] = {}
        for source in self._sources:
            for what in MEASURED:
                key = f"{HELD} {what} {source}"
                values = [row[key] for row in self.rows if key in row]
                if values:
                    found.setdefault(source, {})[what] = [values[0], values[-1]]
        return found

    def columns(self) -> list[str]:
        """Return what may be measured in a step, beside what is in all of them."""
        held = (f"{HELD} {what} {name}" for name in self._sources for what in MEASURED)
        return [*TOLD, *(f"loss {name}" for name in self._sources), *held]
