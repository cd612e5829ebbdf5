"""Measures of a search: from ranked ids and the relevant ones to figures with intervals.

Where the ranking comes from is not its business.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

RESAMPLES = 1000
SEED = 0


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over questions, and where 95 % of the means of resampled questions lie."""

    mean: float
    low: float
    high: float


def hit(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return 1 if a relevant id is among the first `k`, else 0."""
    return float(any(name in relevant for name in ranked[:k]))


def recall(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return the share of the relevant ids that is among the first `k`.

    Raises:
        ValueError: nothing is relevant.
    """
    wanted = _some(relevant)
    return len(wanted.intersection(ranked[:k])) / len(wanted)


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return one over the place of the first relevant id, 0 if it is not among the first `k`."""
    places = (place for place, name in enumerate(ranked[:k], 1) if name in relevant)
    return 1 / next(places, math.inf)


def ndcg(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return the discounted gain of the first `k` over that of the best order, each gain 0 or 1.

    From Järvelin and Kekäläinen, doi:10.1145/582415.582418.

    Raises:
        ValueError: nothing is relevant.
    """
    wanted = _some(relevant)
    gain = sum(_discount(place) for place, name in enumerate(ranked[:k]) if name in wanted)
    return gain / sum(map(_discount, range(min(len(wanted), k))))


def interval(values: Sequence[float], *, resamples: int = RESAMPLES, seed: int = SEED) -> Interval:
    """Return the mean of one value a question, with its percentile bootstrap interval.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("there is nothing to average")
    draw = random.Random(seed).choices
    size = len(values)
    means = sorted(math.fsum(draw(values, k=size)) / size for _ in range(resamples))
    low, high = (means[round(share * (resamples - 1))] for share in (0.025, 0.975))
    return Interval(math.fsum(values) / size, low, high)


def _some(relevant: Collection[str]) -> frozenset[str]:
    if not relevant:
        raise ValueError("nothing is relevant")
    return frozenset(relevant)


def _discount(place: int) -> float:
    """Return what a find is worth at a place, counted from 0."""
    return 1 / math.log2(place + 2)
