"""Where the vectors of passages lie while they are searched.

What is made of what was found is the business of `rank`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from inhouse.knowledge.layout import Numbers, Source
from inhouse.knowledge.schema import VECTOR, IndexFile

Vectors = npt.NDArray[np.float32]


class VectorStore(Protocol):
    """Finds the passages of a source that are near, and knows the vector of every passage."""

    def nearest(self, source: Source, vector: Vectors, most: int) -> Numbers:
        """Return the numbers of the `most` passages of a source nearest to a unit vector.

        They come in any order, and may miss some. They depend on the passages of this source
        alone: so what a reader gets to see does not depend on what they may not read.
        """
        ...

    def vectors(self, passages: Numbers) -> Vectors:
        """Return the vectors of passages, float32 of shape [passages, width]."""
        ...


class Matrix:
    """All vectors in memory, compared one by one: nothing near is missed."""

    def __init__(self, index: IndexFile, width: int) -> None:
        rows = index.rows("SELECT vector FROM passages ORDER BY number")
        self._vectors = np.empty((len(rows), width), np.float32)
        for n, (vector,) in enumerate(rows):
            self._vectors[n] = np.frombuffer(vector, VECTOR)

    def nearest(self, source: Source, vector: Vectors, most: int) -> Numbers:
        """Return the numbers of the `most` passages of a source nearest to a unit vector."""
        # Dot products one by one: the last digits then depend on that row alone, and no threads
        # have to be woken for a millisecond of work.
        cosines = np.vecdot(self._vectors[source.passages], vector)
        near: Numbers = highest(cosines, most) + source.passages.start
        return near

    def vectors(self, passages: Numbers) -> Vectors:
        """Return the vectors of passages, float32 of shape [passages, width]."""
        return self._vectors[passages]


def highest(scores: npt.NDArray[np.floating], most: int) -> Numbers:
    """Return where the `most` highest scores are, in order of place; of equal ones the first."""
    if len(scores) <= most:
        return np.arange(len(scores))
    least = np.partition(scores, -most)[-most]
    above, equal = np.flatnonzero(scores > least), np.flatnonzero(scores == least)
    return np.sort(np.concatenate([above, equal[: most - len(above)]]))
