"""The order of the sections found: a first score for all, a second look at the best.

Where candidates come from is the business of `search`.
"""

from __future__ import annotations

import numpy as np

from inhouse.knowledge.bm25 import Scores
from inhouse.knowledge.layout import Layout, Numbers
from inhouse.knowledge.tokens import meeting
from inhouse.knowledge.vectors import Vectors, VectorStore

MEANING = 0.7
TOKENS, AROUND = 0.65, 0.1


class FirstScore:
    """0.7 times the cosine of a section's best passage plus 0.3 times BM25 over the best BM25."""

    def __init__(
        self, layout: Layout, vectors: VectorStore, question: Vectors, matches: Scores
    ) -> None:
        self._layout = layout
        self._vectors = vectors
        self._question = question
        self._matches = matches
        self._best_match: float = matches.max()

    def of(self, sections: Numbers) -> tuple[Scores, Numbers]:
        """Return the score of each section and the number of its best passage."""
        passages, begins = self._layout.passages_of(sections)
        cosines = np.vecdot(self._vectors.vectors(passages), self._question)
        nearness = np.maximum.reduceat(cosines, begins)
        counts = np.diff(begins, append=len(passages))
        best = np.flatnonzero(cosines == np.repeat(nearness, counts))
        best = best[np.searchsorted(best, begins)]
        scores = MEANING * nearness.astype(np.float64)
        if self._best_match:
            scores += (1 - MEANING) * self._matches[sections] / self._best_match
        return scores, passages[best]

    def around(self, sections: Numbers) -> Scores:
        """Return for each section half the sum of the scores before and behind it.

        What answers a question rarely stands alone among other matters.
        """
        around = np.zeros(len(sections))
        for step in (-1, 1):
            beside = self._layout.beside(sections, step)
            if (there := beside >= 0).any():
                around[there] += self.of(beside[there])[0]
        return around / 2


def second_score(first: Scores, around: Scores, question: Vectors, tokens: list[bytes]) -> Scores:
    """Return 0.65 times how well the question's tokens are met, 0.25 `first` and 0.1 `around`.

    Args:
        first: the first scores.
        around: those of the sections beside.
        question: unit vectors of the question's tokens.
        tokens: the condensed tokens of the best passage of each section.
    """
    met = np.array([meeting(question, condensed) for condensed in tokens])
    return (1 - TOKENS - AROUND) * first + AROUND * around + TOKENS * met
