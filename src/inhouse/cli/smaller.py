"""A model that was made small, on a terminal: what was tried, and what size costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from inhouse.cli.terminal import console, print_table, size

WIDTH, HEIGHT = 56, 9
AXES = (("bytes", "size"), ("p50_ms", "milliseconds for one text"))
Rungs = Sequence[Mapping[str, Any]]


def take_rungs(summary: dict[str, Any]) -> dict[str, Any]:
    """Take out of the summary of a model what `print_rungs` prints; nothing if it is no such."""
    found = summary.get("development")
    if not isinstance(found, dict) or "rungs" not in found:
        return {}
    del summary["development"]
    return {**found, "chosen": summary.get("form")}


def print_rungs(tried: Mapping[str, Any]) -> None:
    """Print what was tried as a table, and its accuracy over size and over time."""
    if not tried:
        return
    rungs, chosen = tried["rungs"], tried["chosen"]
    console.print(f"\ntried, on {tried['texts']} texts that nothing was learnt from")
    rows = [
        (
            f"{number}{' *' if one['name'] == chosen else ''}",
            one["name"],
            size(one["bytes"]),
            f"{one['accuracy']:.2%}",
            "" if one is rungs[-1] else f"{one['points']:+.2f}",
            "" if one is rungs[-1] else f"{one['low']:+.2f} to {one['high']:+.2f}",
            f"{one['p50_ms']:.2f} / {one['p95_ms']:.2f}",
            "yes" if one["front"] else "",
        )
        for number, one in enumerate(rungs, 1)
    ]
    print_table(("", "what", "size", "right", "points", "95 %", "ms p50 / p95", "front"), rows)
    console.print("* is kept. No other one is as good as those on the front in all three.")
    for key, said in AXES:
        console.print(f"\naccuracy over {said}, which doubles to the right")
        for line in scatter([(one[key], one["accuracy"]) for one in rungs]):
            console.print(line, markup=False, highlight=False)


def scatter(points: Sequence[tuple[float, float]]) -> list[str]:
    """Return the lines of a picture: each point is its number, from 1, across by its logarithm.

    Where two fall together, the first is shown.
    """
    across = [math.log2(max(x, 1e-9)) for x, _ in points]
    up = [y for _, y in points]
    cells = [[" "] * WIDTH for _ in range(HEIGHT)]
    for number, (x, y) in reversed(list(enumerate(zip(across, up, strict=True), 1))):
        column = _place(x, across, WIDTH)
        cells[HEIGHT - 1 - _place(y, up, HEIGHT)][column] = str(number)
    labels = {0: f"{max(up):.1%}", HEIGHT - 1: f"{min(up):.1%}"}
    lines = [f"{labels.get(n, ''):>7} ┤{''.join(row)}" for n, row in enumerate(cells)]
    return [*lines, f"{'':>7} └{'─' * WIDTH}"]


def _place(value: float, of: Sequence[float], cells: int) -> int:
    low, span = min(of), (max(of) - min(of)) or 1.0
    return min(int((value - low) / span * cells), cells - 1)
