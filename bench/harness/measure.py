"""Rounds and figures: how two things are timed side by side and set against a goal.

What is timed, and where the peer comes from, is not its business.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Round = Callable[[], float]
"""Does the work once and returns what it measured."""


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of some rounds, between the lower and the upper quartile."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Figure:
        """Return the figure of one or more samples."""
        if len(samples) == 1:
            return cls(samples[0], samples[0], samples[0])
        low, value, high = statistics.quantiles(samples, n=4, method="inclusive")
        return cls(value, low, high)


@dataclass(frozen=True, slots=True)
class Samples:
    """What the rounds measured, in order; `peer` is None if there was none to measure."""

    ours: Sequence[float]
    peer: Sequence[float] | None


@dataclass(frozen=True, slots=True)
class Goal:
    """What our own figure is to keep, at most or if more is better at least, or the ratio."""

    of: Literal["ours", "ratio"]
    limit: float


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured: its unit, whether more is better, and the goal if there is one."""

    name: str
    unit: str
    goal: Goal | None = None
    more: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. The ratio says how many times better ours is than the peer.

    `ok` is None where there is no goal, or where a peer was to be measured and could not be.
    """

    name: str
    unit: str
    ours: Figure
    peer_name: str | None
    peer: Figure | None
    ratio: Figure | None
    target: str | None
    ok: bool | None

    @classmethod
    def of(cls, measure: Measure, samples: Samples, peer_name: str | None = None) -> Row:
        """Set the samples of a measure against its goal."""
        ours, peer, ratio = Figure.of(samples.ours), None, None
        if samples.peer is not None:
            peer = Figure.of(samples.peer)
            ratio = Figure.of(_ratios(samples.ours, samples.peer, more=measure.more))
        judged = peer_name is None or peer is not None
        ok = _met(measure, ours, ratio) if measure.goal and judged else None
        return cls(measure.name, measure.unit, ours, peer_name, peer, ratio, _target(measure), ok)


def interleave(ours: Round, peer: Round | None, *, rounds: int, scale: float = 1.0) -> Samples:
    """Measure both in turn, the first one changing, after one round that does not count.

    Args:
        ours: our work.
        peer: the peer's, or None if it cannot be had.
        rounds: how many count.
        scale: what to multiply each measurement by, 1e3 for milliseconds.
    """
    found: dict[Round, list[float]] = {each: [] for each in (ours, peer) if each}
    for number in range(rounds + 1):
        turns = list(found.items())
        for measure, samples in turns if number % 2 else reversed(turns):
            measured = measure()
            if number:
                samples.append(measured * scale)
    return Samples(found[ours], found[peer] if peer else None)


def timed(work: Callable[[], object]) -> Round:
    """Return a round that does the work and measures its seconds."""

    def measured() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return measured


def running(*command: str) -> Round:
    """Return a round that runs a program to its end.

    Raises:
        RuntimeError: in the round, if the program fails.
    """

    def run() -> None:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr}")

    return timed(run)


def _ratios(ours: Sequence[float], peer: Sequence[float], *, more: bool) -> list[float]:
    pairs = zip(ours, peer, strict=True)
    return [mine / other if more else other / mine for mine, other in pairs]


def _met(measure: Measure, ours: Figure, ratio: Figure | None) -> bool:
    goal = measure.goal
    assert goal
    if goal.of == "ours":
        return ours.value >= goal.limit if measure.more else ours.value <= goal.limit
    return ratio is not None and ratio.value >= goal.limit


def _target(measure: Measure) -> str | None:
    if measure.goal is None:
        return None
    if measure.goal.of == "ours":
        return f"{'≥' if measure.more else '≤'} {measure.goal.limit:g} {measure.unit}"
    return f"≥ {round(measure.goal.limit, 3):g}x"
