"""How sure a figure is: the range it takes when the questions are drawn anew.

Which figure it is stands in `ranking` and `refusal`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

RESAMPLES = 1000
SEED = 0

Measure = Callable[..., float]
"""A measure of samples, one or several."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure, and where 95 % of those of resampled questions lie."""

    mean: float
    low: float
    high: float


def resampled(measure: Measure, *samples: Sequence[float]) -> Interval:
    """Return a measure of samples with its percentile bootstrap interval, the same every time.

    ``measure(*samples)`` is given each sample redrawn, as large as it is.
    """
    draw = random.Random(SEED).choices
    values = sorted(measure(*(draw(s, k=len(s)) for s in samples)) for _ in range(RESAMPLES))
    low, high = (values[round(share * (RESAMPLES - 1))] for share in (0.025, 0.975))
    return Interval(measure(*samples), low, high)


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of one value a question, with its interval.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("there is nothing to average")
    return resampled(lambda drawn: math.fsum(drawn) / len(drawn), values)
