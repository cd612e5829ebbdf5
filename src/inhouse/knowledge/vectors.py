"""Where the vectors of passages lie while they are searched.

What is made of what was found is the business of `rank`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from inhouse.knowledge.layout import Numbers, Source
from inhouse.knowledge.schema import VECTOR, IndexFile

BATCH = 4096

Vectors = npt.NDArray[np.float32]


class VectorStore(Protocol):
    """Finds the passages of a source that are near, and knows the vector of every passage."""

    def nearest(self, source: Source, vector: Vectors, most: int) -> tuple[Numbers, Vectors]:
        """Return the numbers of the `most` passages of a source nearest to a unit vector.

        Their cosines stand beside them; these may be rough, and some passages may be missing.
        Both depend on the passages of this source alone: so what a reader gets to see does not
        depend on what they may not read.
        """
        ...

    def vectors(self, passages: Numbers) -> Vectors:
        """Return the vectors of passages, float32 of shape [passages, width]."""
        ...


class Matrix:
    """All vectors in memory, compared one by one: nothing near is missed."""

    def __init__(self, index: IndexFile) -> None:
        ((count,),) = index.rows("SELECT count(*) FROM passages")
        ((width,),) = index.rows("SELECT value FROM meta WHERE name = 'width'")
        self._vectors = np.empty((count, width), np.float32)
        for start in range(0, count, BATCH):
            numbers = np.arange(start, min(start + BATCH, count))
            self._vectors[numbers] = read_vectors(index, numbers)

    def nearest(self, source: Source, vector: Vectors, most: int) -> tuple[Numbers, Vectors]:
        """Return the `most` passages of a source nearest to a unit vector, and their cosines."""
        # Dot products one by one: the last digits then depend on that row alone, and no threads
        # have to be woken for a millisecond of work.
        cosines = np.vecdot(self._vectors[source.passages], vector)
        near = highest(cosines, most)
        return near + source.passages.start, cosines[near]

    def vectors(self, passages: Numbers) -> Vectors:
        """Return the vectors of passages, float32 of shape [passages, width]."""
        return self._vectors[passages]


def read_vectors(index: IndexFile, passages: Numbers) -> npt.NDArray[np.float16]:
    """Return the vectors of passages, of shape [passages, width]; numbers go up, each once."""
    ((width,),) = index.rows("SELECT value FROM meta WHERE name = 'width'")
    wanted = ", ".join(map(str, passages))
    rows = index.rows(f"SELECT vector FROM passages WHERE number IN ({wanted}) ORDER BY number")
    return np.frombuffer(b"".join(vector for (vector,) in rows), VECTOR).reshape(-1, width)


def highest(scores: npt.NDArray[np.floating], most: int) -> Numbers:
    """Return where the `most` highest scores are, in order of place; of equal ones the first."""
    if len(scores) <= most:
        return np.arange(len(scores))
    least = np.partition(scores, -most)[-most]
    above, equal = np.flatnonzero(scores > least), np.flatnonzero(scores == least)
    return np.sort(np.concatenate([above, equal[: most - len(above)]]))
