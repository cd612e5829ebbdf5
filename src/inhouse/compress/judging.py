"""What a smaller model loses, as a difference that chance is taken into account in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DRAWS = 10_000
Right = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Loss:
    """How many points of accuracy a smaller model has more than a larger one; mostly below 0.

    To a hundredth.

    `low` and `high` hold the difference with 95 % confidence, as far as the choice of texts goes;
    that another training would give another model is not in it.
    """

    points: float
    low: float
    high: float


def loss(smaller: Right, larger: Right, *, seed: int = 0) -> Loss:
    """Compare two models by which of the same texts they got right, bool [texts] each.

    A paired bootstrap (Efron, 1979): texts are drawn again and again, both answers to a text
    together. Only three things can be drawn, so a draw of all texts is a draw of three counts. Two
    texts more are taken to be told in each of the four ways by halves (Agresti and Min, 2005):
    where no difference was seen, a dozen texts do not prove that there is none.
    """
    count = len(smaller)
    gained = int((smaller & ~larger).sum())
    lost = int((larger & ~smaller).sum())
    shares = np.array([gained + 0.5, lost + 0.5, count - gained - lost + 1]) / (count + 2)
    drawn = np.random.default_rng(seed).multinomial(count, shares, DRAWS)
    low, high = np.percentile((drawn[:, 0] - drawn[:, 1]) / count * 100, [2.5, 97.5])
    points = (gained - lost) / count * 100
    return Loss(round(points, 2), round(float(low), 2), round(float(high), 2))
