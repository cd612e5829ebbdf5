"""Measures of refusing: how well a number tells questions with an answer from those without.

Where the numbers come from is not its business. A question is refused if its number is below a
threshold; refusing one that has an answer is a false refusal.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from inhouse.evaluate.bootstrap import Interval, resampled

Scores = Sequence[float]


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the curve: the threshold that refuses at most `allowed` of the answerable."""

    allowed: float
    threshold: float
    false: float
    refused: Interval


def auroc(answerable: Scores, unanswerable: Scores) -> float:
    """Return how often a question with an answer has more than one without; a tie is half.

    Raises:
        ValueError: one of the two is empty.
    """
    with_answer = sorted(_some(answerable))
    below = sum(
        bisect_left(with_answer, score) + bisect_right(with_answer, score)
        for score in _some(unanswerable)
    )
    return 1 - below / (2 * len(answerable) * len(unanswerable))


def refused(scores: Scores, threshold: float) -> float:
    """Return the share of scores below a threshold.

    Raises:
        ValueError: there are no scores.
    """
    return sum(score < threshold for score in scores) / len(_some(scores))


def threshold_for(answerable: Scores, allowed: float) -> float:
    """Return the highest threshold that refuses at most a share `allowed` of the answerable.

    Raises:
        ValueError: there are none.
    """
    return sorted(_some(answerable))[int(allowed * len(answerable) + 1e-9)]


def curve(answerable: Scores, unanswerable: Scores, allowed: Sequence[float]) -> list[Point]:
    """Return what is refused of the unanswerable where that many false refusals are allowed.

    The interval is that of questions drawn anew, with a threshold drawn anew as well.
    """
    points = []
    for share in allowed:
        threshold = threshold_for(answerable, share)

        def caught(some: Scores, others: Scores, share: float = share) -> float:
            return refused(others, threshold_for(some, share))

        found = resampled(caught, answerable, unanswerable)
        points.append(Point(share, threshold, refused(answerable, threshold), found))
    return points


def _some(scores: Scores) -> Scores:
    if not scores:
        raise ValueError("there is nothing to measure")
    return scores
