"""How long classifiers take for one text, measured side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inhouse.core.protocols import Classifier

ROUNDS, TEXTS = 5, 60


@dataclass(frozen=True, slots=True)
class Pace:
    """Milliseconds from a text to its classes: the median, and what 95 of 100 keep to."""

    p50_ms: float
    p95_ms: float


def paces(models: Sequence[Classifier], texts: Sequence[str]) -> list[Pace]:
    """Return how long each model takes for one text alone.

    They take turns in rounds, so that whatever else the machine does falls on all of them; each
    works on one thread, as a model does that is asked one text.
    """
    asked = [text for text in texts[:TEXTS]]
    taken: list[list[float]] = [[] for _ in models]
    for number in range(ROUNDS + 1):
        for model, own in zip(models, taken, strict=True):
            for text in asked:
                started = time.perf_counter()
                model.classify([text])
                if number:  # the first round warms up
                    own.append((time.perf_counter() - started) * 1e3)
    return [
        Pace(round(float(np.median(own)), 4), round(float(np.percentile(own, 95)), 4))
        for own in taken
    ]
