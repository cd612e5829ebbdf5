"""The order of the sections found: a first score for all, a second look at the best.

Where candidates come from is the business of `search`.
"""

from __future__ import annotations

import numpy as np

from inhouse.knowledge.bm25 import Scores
from inhouse.knowledge.layout import Layout, Numbers
from inhouse.knowledge.tokens import cosines
from inhouse.knowledge.vectors import Vectors, VectorStore

MEANING = 0.7
MET, AROUND = 0.75, 0.1
OPENED = 0.3
OPENING = 16


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


def met(question: Vectors, opening: bytes, nearest: bytes) -> float:
    """Return how well a section meets a question token by token, at most 1.

    It is 0.7 times the mean of its first passage and of the nearest in meaning, plus 0.3 times
    that of its opening, about 48 tokens: texts say early what they are about, and in a long
    passage some token is near to anything. After FirstP and MaxP of Dai and Callan,
    arXiv 1905.09217.

    Args:
        question: unit vectors of its tokens, of shape [tokens, width].
        opening: token vectors of the first passage, as `tokens.condense` gives them.
        nearest: those of the passage nearest in meaning, often the same.
    """
    first = cosines(question, opening)
    second = first if nearest == opening else cosines(question, nearest)
    whole = (_meeting(first) + _meeting(second)) / 2
    return (1 - OPENED) * whole + OPENED * _meeting(first[:, :OPENING])


def combined(first: Scores, around: Scores, meetings: Scores) -> Scores:
    """Return the scores that order the candidates; all are of shape [candidates].

    Args:
        first: what made them candidates.
        around: the first score of their neighbours in the document.
        meetings: what `met` gives for each.
    """
    return MET * meetings + AROUND * around + (1 - MET - AROUND) * first


def _meeting(found: Vectors) -> float:
    """Return the mean over a question's tokens of the best cosine, 0 if there are none."""
    return float(found.max(axis=1).mean()) if found.size else 0.0
