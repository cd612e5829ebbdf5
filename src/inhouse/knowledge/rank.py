"""The second look at candidates: what of a section speaks for it, and how much each part counts.

Pure functions over arrays. Which sections are candidates, and from where their vectors come, is
the business of `search`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from inhouse.knowledge.tokens import Vectors, cosines

Scores = npt.NDArray[np.float64]

MET, AROUND = 0.75, 0.1
OPENED = 0.3
OPENING = 16


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
