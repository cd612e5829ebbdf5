"""How sure a classifier may be, and when it had better say nothing: measured on held-out texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inhouse.models.classifier import softmax

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

COOLEST, HOTTEST = 0.05, 20.0
HALVINGS = 60
UNSURE = 0.02
"""The least share of held-out texts that is told nothing: texts from elsewhere look like them."""
ANSWERED = 0.5
"""The share of held-out texts that is answered at least, however often it is wrong."""
WORST = 10


@dataclass(frozen=True, slots=True)
class Operating:
    """Below which confidence a classifier abstains; how much it answers then, and how rightly."""

    below: float
    answered: float
    right: float


def temperature(scores: Floats, wanted: Ints) -> float:
    """Return what scores are divided by for probabilities that keep what they say.

    It is where held-out texts are likeliest (Guo et al., arXiv 1706.04599). The likelihood has one
    peak over the inverse, which is found by halving. One text more is taken to be of any other
    class (after Platt, 1999): all of a few dozen told rightly is no reason to be certain.
    """
    low, high = 1 / HOTTEST, 1 / COOLEST
    count, classes = scores.shape
    unlike = 1 / (count + 2)
    said = scores[np.arange(count), wanted].astype(np.float64)
    others = (scores.sum(1, dtype=np.float64) - said) / max(classes - 1, 1)
    own = said * (1 - unlike) + others * unlike
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        mean = (softmax(scores * np.float32(middle)).astype(np.float64) * scores).sum(1)
        if float((own - mean).sum()) > 0:
            low = middle
        else:
            high = middle
    return 2 / (low + high)


def operating(probabilities: Floats, wanted: Ints, *, right: float) -> Operating:
    """Return where to abstain so that a share of the answers is `right`, on held-out texts.

    If that cannot be had with half of them answered, it is as right as it can be with half. The
    least sure ones are never answered: where all are easy, a text from elsewhere is told by that.
    """
    sure, hit = probabilities.max(1), probabilities.argmax(1) == wanted
    order = np.argsort(-sure, kind="stable")
    shares = np.cumsum(hit[order]) / np.arange(1, len(order) + 1)
    least, most = max(1, round(ANSWERED * len(order))), max(1, int((1 - UNSURE) * len(order)))
    allowed = np.arange(least, max(least, most) + 1)
    good = allowed[shares[allowed - 1] >= right]
    many = int(good[-1]) if len(good) else int(allowed[shares[allowed - 1].argmax()])
    # Just below, so that rounding on another machine changes no answer of these.
    below = float(np.floor(sure[order[many - 1]] * 1e4) / 1e4)
    answered = sure >= below
    return Operating(below, float(answered.mean()), float(hit[answered].mean()))


def miscalibration(probabilities: Floats, wanted: Ints, *, bins: int = 15) -> float:
    """Return how far confidence is from being right, on average (Naeini et al., AAAI 2015)."""
    sure, hit = probabilities.max(1), probabilities.argmax(1) == wanted
    own = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs(float(sure[own == b].sum() - hit[own == b].sum())) for b in range(bins)]
    return sum(gaps) / len(wanted)


def macro_f1(said: Ints, wanted: Ints) -> float:
    """Return the mean over the classes that were wanted of the F1 of each."""
    found = []
    for label in np.unique(wanted):
        both = int(((said == label) & (wanted == label)).sum())
        found.append(2 * both / int((said == label).sum() + (wanted == label).sum()))
    return float(np.mean(found))


def confused(said: Ints, wanted: Ints, classes: Sequence[str]) -> list[tuple[str, str, int]]:
    """Return the pairs of classes that are taken for each other most: wanted, said, how often."""
    wrong = Counter((int(w), int(s)) for w, s in zip(wanted, said, strict=True) if w != s)
    worst = sorted(wrong.items(), key=lambda pair: (-pair[1], pair[0]))[:WORST]
    return [(classes[w], classes[s], many) for (w, s), many in worst]
