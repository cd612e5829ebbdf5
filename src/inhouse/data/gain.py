"""What new examples are worth: held-out gold, judged by a classifier with and without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from inhouse.models.classifier import TextClassifier, train

if TYPE_CHECKING:
    import numpy.typing as npt

    from inhouse.models.classifier import Vectors

    Doubles = npt.NDArray[np.float64]

RESAMPLES = 1000

Examples = Sequence[tuple[str, str]]
"""Pairs of text and label."""


def measured(
    checker: TextClassifier, gold: Examples, new: Examples, held: Examples
) -> dict[str, Any]:
    """Return the accuracy on held-out examples without new ones and with them, in points.

    The interval bounds 95 % of the gains when the held-out examples are drawn anew, in pairs.

    Args:
        checker: a classifier that was taught with gold alone.
        gold: what it was taught with.
        new: what is added to it.
        held: what neither was taught with; one or more.
    """
    vectors = checker.vectorise([text for text, _ in held])
    wanted = [label for _, label in held]
    texts, labels = zip(*gold, *new, strict=True)
    taught = train(checker.vectorise(texts), labels, checker.vectorise)
    before = _right(checker, vectors, wanted)
    gains = _right(taught, vectors, wanted) - before
    drawn = np.random.default_rng(0).integers(0, len(gains), (RESAMPLES, len(gains)))
    low, high = np.percentile(gains[drawn].mean(1), (2.5, 97.5))
    return {
        "held out": len(held),
        "without": _points(before.mean()),
        "with": _points((before + gains).mean()),
        "gain": _points(gains.mean()),
        "low": _points(low),
        "high": _points(high),
    }


def _right(classifier: TextClassifier, vectors: Vectors, wanted: Sequence[str]) -> Doubles:
    best = classifier.judge(vectors).argmax(1)
    return np.array([classifier.classes[i] == w for i, w in zip(best, wanted, strict=True)], float)


def _points(share: float) -> float:
    return round(100 * float(share), 2)
