"""What a model has learnt, on a terminal: its sources, and how its loss went down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from inhouse.cli.terminal import console, count, print_table

WIDTH, HEIGHT = 64, 8
LEFT, RIGHT = (0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08)
"""The dots of a braille cell from the lowest up, by column."""
BRAILLE = 0x2800

Curve = Sequence[float | None]


def take_learnt(summary: dict[str, Any]) -> dict[str, Any]:
    """Take out of the summary of a model what `print_learnt` prints; nothing if it is no such."""
    if not isinstance(summary.get("shares"), dict):
        return {}
    summary.pop("positions", None)  # for what is trained next, and no news to people
    names = (
        *("shares", "times", "stages", "began", "anew"),
        *("perplexity", "held", "bits_per_byte", "suites", "kept_out"),
    )
    return {name: summary.pop(name, {}) for name in names}


def print_learnt(learnt: Mapping[str, Any]) -> None:
    """Print a model's sources: how much of each it has read, and how well it knows each.

    That is the perplexity of texts, and of answers how many of the better ones are told.
    """
    if not learnt:
        return
    whole = sum(learnt["shares"].values()) or 1
    what = "accuracy" if learnt["held"] else "perplexity"
    ends = {name: found[what] for name, found in learnt["held"].items()} | learnt["perplexity"]
    rows = []
    for source, tokens in learnt["shares"].items():
        before, after = ends.get(source) or ("", "")
        _, bits = learnt["bits_per_byte"].get(source) or ("", "")
        share = f"{tokens / whole:.1%}"
        times = learnt["times"].get(source)
        kept = count(learnt["kept_out"].get(source, 0))
        rows.append(
            (
                source,
                count(tokens),
                share,
                _times(times),
                kept,
                _said(before),
                _said(after),
                _said(bits),
            )
        )
    console.print("\nlearnt from")
    heads = (
        "source",
        "tokens",
        "share",
        "times",
        "kept out",
        f"{what} before",
        "after",
        "bits a byte",
    )
    print_table(heads, rows, spare="bits a byte")
    _print_stages(learnt)
    if learnt["suites"]:
        console.print()
        suites = learnt["suites"].items()
        seen = [(name, f"{before:,.3f}", f"{after:,.3f}") for name, (before, after) in suites]
        print_table(("suite", "before", "after"), seen)


def _print_stages(learnt: Mapping[str, Any]) -> None:
    """Print what was read stage by stage, and where sources began after an earlier training."""
    held = {
        source: tokens / learnt["times"][source]
        for source, tokens in learnt["shares"].items()
        if learnt["times"].get(source)
    }
    rows = [
        (f"{place}", source, count(tokens), _times(tokens / held[source]))
        for place, leg in enumerate(learnt["stages"], 1)
        for source, tokens in leg.items()
    ]
    if rows:
        console.print()
        print_table(("stage", "source", "tokens", "times"), rows)
    for source, sample in learnt["began"].items():
        console.print(f"began at sample {count(sample + 1)} of {source}, behind what its base read")
    for source, why in learnt["anew"].items():
        console.print(f"began {source} anew: {why}")


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _said(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,.2f}"


def print_curves(curves: Mapping[str, Curve]) -> None:
    """Draw the loss over the steps, that of each source if there are several, and suites."""
    if not curves:
        return
    steps = [int(step) for step in curves["step"] if step is not None]
    by_source = {name: c for name, c in curves.items() if name.startswith("loss ")}
    shown = {"loss": curves["loss"]} | (by_source if len(by_source) > 1 else {})
    shown |= {name: c for name, c in curves.items() if name.startswith("suites/")}
    for name, curve in shown.items():
        drawn = draw(curve)
        if not drawn:
            continue
        seen = [value for value in curve if value is not None]
        console.print(f"\n{name}: {seen[0]:.3f} at first, {seen[-1]:.3f} at last")
        labels = {0: f"{max(seen):.3f}", len(drawn) - 1: f"{min(seen):.3f}"}
        for place, line in enumerate(drawn):
            console.print(f"{labels.get(place, ''):>8} ┤{line}", markup=False)
        console.print(f"{'':>8} └{'─' * WIDTH}")
        last = f"step {steps[-1]:,}"
        console.print(f"{'':>10}{f'{steps[0]:,}':<{WIDTH - len(last)}}{last}")


def draw(curve: Curve, *, width: int = WIDTH, height: int = HEIGHT) -> list[str]:
    """Return a curve as lines of braille, two dots wide and four high in each cell.

    A dot stands for the mean of its stretch of the curve; what was not measured is bridged.
    """
    points = _points(curve, 2 * width)
    if not points:
        return []
    low = min(value for _, value in points)
    span = (max(value for _, value in points) - low) or 1.0
    cells = [[0] * width for _ in range(height)]
    before = None
    for across, value in _line(points):
        up = min(int((value - low) / span * 4 * height), 4 * height - 1)
        # From where the line came, so that it is not torn where it is steep.
        start = up if before is None else before + (up > before) - (up < before)
        for dot in range(min(start, up), max(start, up) + 1):
            cells[height - 1 - dot // 4][across // 2] |= (LEFT, RIGHT)[across % 2][dot % 4]
        before = up
    return ["".join(chr(BRAILLE + cell) if cell else " " for cell in row) for row in cells]


def _points(curve: Curve, columns: int) -> list[tuple[int, float]]:
    """Return what was measured as column and mean, at most one for each column."""
    found: dict[int, list[float]] = {}
    for place, value in enumerate(curve):
        if value is not None:
            column = place * (columns - 1) // max(len(curve) - 1, 1)
            found.setdefault(column, []).append(value)
    return [(column, sum(values) / len(values)) for column, values in found.items()]


def _line(points: Sequence[tuple[int, float]]) -> Iterator[tuple[int, float]]:
    """Yield the points with all columns between them."""
    yield points[0]
    for (start, low), (end, high) in pairwise(points):
        for column in range(start + 1, end + 1):
            yield column, low + (high - low) * (column - start) / (end - start)
