"""By how much the perplexity of a smaller model is higher, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DRAWS = 10_000
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Read:
    """How surprising texts were: the sum of each one's losses in nats, and how many it has.

    Both are float64 [texts].
    """

    losses: Numbers
    counts: Numbers

    @property
    def perplexity(self) -> float:
        """The perplexity of all of them."""
        return float(np.exp(self.losses.sum() / self.counts.sum()))

    def part(self, places: slice) -> Read:
        """Return some of the texts."""
        return Read(self.losses[places], self.counts[places])


@dataclass(frozen=True, slots=True)
class Rise:
    """By which share a perplexity is higher than another; 0.02 are two percent.

    `low` and `high` hold it with 95 % confidence, as far as the choice of texts goes.
    """

    share: float
    low: float
    high: float


def rise(smaller: Read, larger: Read, *, seed: int = 0) -> Rise:
    """Compare two models by the same texts.

    A paired bootstrap (Efron, 1979): texts are drawn again and again, both losses of a text
    together.
    """
    texts = len(smaller.losses)
    drawn = np.random.default_rng(seed).integers(texts, size=(DRAWS, texts))
    gap = smaller.losses - larger.losses
    shares = np.expm1(gap[drawn].sum(1) / smaller.counts[drawn].sum(1))
    low, high = np.percentile(shares, [2.5, 97.5])
    share = np.expm1(gap.sum() / smaller.counts.sum())
    return Rise(*(round(float(value), 5) for value in (share, low, high)))


def smallest(rises: Sequence[Rise], sizes: Sequence[int], *, share: float, most: float) -> int:
    """Return which model to keep: the smallest that keeps to both limits.

    If none does, it is the smallest that keeps to the share; if none does that either, the one
    that loses least.

    Args:
        rises: of each model.
        sizes: their bytes.
        share: by which share a perplexity may rise, with 95 % confidence.
        most: bytes that a model may have.
    """
    kept = [n for n, one in enumerate(rises) if one.high <= share]
    fitting = [n for n in kept if sizes[n] <= most]
    if fitting or kept:
        return min(fitting or kept, key=lambda n: sizes[n])
    return min(range(len(rises)), key=lambda n: rises[n].share)
