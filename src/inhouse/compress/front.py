"""The front of what was tried: which rungs no other one beats, in numbers and in a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from inhouse.core.errors import MissingExtra

MEGABYTE = 1e6
AXES = (("bytes", MEGABYTE, "megabytes"), ("p50_ms", 1.0, "milliseconds for one text (median)"))


def require_picture() -> None:
    """Do nothing if pictures can be drawn.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingExtra("Drawing what was tried", "compress")


def marked(rungs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rungs with `front`: whether none is as accurate and smaller, and faster besides.

    A rung is beaten by one that is at least as good in accuracy, bytes and time, and better in one.
    """
    found = []
    for one in rungs:
        mine = (-one["accuracy"], one["bytes"], one["p50_ms"])
        others = [(-o["accuracy"], o["bytes"], o["p50_ms"]) for o in rungs]
        beaten = any(
            all(a <= b for a, b in zip(other, mine, strict=True)) and other != mine
            for other in others
        )
        found.append({**one, "front": not beaten})
    return found


def draw(rungs: Sequence[Mapping[str, Any]], chosen: str, file: Path) -> None:
    """Draw accuracy over size and over time as a PNG; bars are the interval of the loss."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    whole = rungs[-1]["accuracy"] * 100
    for axes, (key, unit, said) in zip(figure.subplots(1, 2), AXES, strict=True):
        axes.set_xscale("log")
        axes.set_xlabel(said)
        axes.set_ylabel("accuracy on the development split, %")
        axes.grid(True, which="both", alpha=0.2)
        axes.margins(x=0.25)
        for one in rungs:
            across, up = one[key] / unit, one["accuracy"] * 100
            low, high = up - (whole + one["low"]), whole + one["high"] - up
            colour = "tab:green" if one["name"] == chosen else "tab:blue"
            axes.errorbar(
                across, up, yerr=[[max(low, 0)], [max(high, 0)]], fmt="o", capsize=3,
                color=colour, mfc=colour if one["front"] else "white",
            )  # fmt: skip
            axes.annotate(
                one["name"], (across, up), xytext=(6, 6), textcoords="offset points", fontsize=8
            )
    figure.suptitle("Full dots are beaten by none; the green one was chosen", fontsize=10)
    figure.savefig(file, dpi=120, metadata={"Software": None})
