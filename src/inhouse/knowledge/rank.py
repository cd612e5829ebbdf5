"""The order of the sections found: a first score for all, a second look at the best.

Where candidates come from is the business of `search`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from inhouse.knowledge.bm25 import Scores
from inhouse.knowledge.layout import Layout, Numbers
from inhouse.knowledge.tokens import cosines
from inhouse.knowledge.vectors import Vectors, VectorStore

MEANING = 0.7
MET, AROUND = 0.75, 0.1
OPENED = 0.3
OPENING = 16
BESIDE = 0.85
UNEVEN = 0.2
PUNCTUATION = 0.5


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


@dataclass(frozen=True, slots=True)
class Reading:
    """How near each token of a question comes to a passage: float32 of shape [tokens].

    `whole` is the best cosine with any of the passage's vectors, `opening` with the first ones,
    about 48 tokens. Both are 0 where the passage has none.
    """

    whole: Vectors
    opening: Vectors


def read(question: Vectors, condensed: bytes) -> Reading:
    """Return how near a passage comes to the tokens of a question.

    Args:
        question: unit vectors of its tokens, of shape [tokens, width].
        condensed: token vectors of the passage, as `tokens.condense` gives them.
    """
    found = cosines(question, condensed)
    if not found.size:
        none = np.zeros(len(question), np.float32)
        return Reading(none, none)
    return Reading(found.max(axis=1), found[:, :OPENING].max(axis=1))


def token_weights(pieces: Sequence[str]) -> Scores:
    """Return how much each token of a question counts: a half if it is punctuation, otherwise 1.

    Args:
        pieces: what of the question each token stands for.
    """
    words = [any(map(str.isalnum, piece)) for piece in pieces]
    return np.where(words, 1.0, PUNCTUATION)


def met(weights: Scores, first: Reading, nearest: Reading, beside: Iterable[Reading]) -> float:
    """Return how well a section meets a question token by token, at most 1.

    A token is met by 0.7 times how near the section comes to it, plus 0.3 times how near its
    opening does: texts say early what they are about, and in a long passage some token is near to
    anything. Of the weighted mean over the tokens, 0.2 times their standard deviation is taken
    off: who meets all of them is more to the point than who meets all but one very well. How near
    it comes is the mean of its first passage and of the nearest
    in meaning, after FirstP and MaxP of Dai and Callan, arXiv 1905.09217; or 0.85 times what a
    section beside it in the document does, if that is more: what was just said is not said again.

    Args:
        weights: of the tokens of the question.
        first: of its first passage.
        nearest: of the passage nearest in meaning, often the same.
        beside: of the first passages of the sections before and behind it.
    """
    if not first.whole.size:
        return 0.0
    own = (first.whole + nearest.whole) / 2
    whole = np.max([own, *(BESIDE * other.whole for other in beside)], axis=0)
    tokens = (1 - OPENED) * whole + OPENED * first.opening
    mean = np.average(tokens, weights=weights)
    spread = np.sqrt(np.average(np.square(tokens - mean), weights=weights))
    return float(mean - UNEVEN * spread)


def combined(first: Scores, around: Scores, meetings: Scores) -> Scores:
    """Return the scores that order the candidates; all are of shape [candidates].

    Args:
        first: what made them candidates.
        around: the first score of their neighbours in the document.
        meetings: what `met` gives for each.
    """
    return MET * meetings + AROUND * around + (1 - MET - AROUND) * first
