"""Measures of a ranking: from ranked ids and the relevant ones to a figure.

Where the ranking comes from is not its business.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence


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


def _some(relevant: Collection[str]) -> frozenset[str]:
    if not relevant:
        raise ValueError("nothing is relevant")
    return frozenset(relevant)


def _discount(place: int) -> float:
    """Return what a find is worth at a place, counted from 0."""
    return 1 / math.log2(place + 2)
