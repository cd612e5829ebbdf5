"""A language model as a judge of labels: how likely each one is behind a text.

Likelihoods are set against those behind texts that say nothing, since some labels are likely
behind anything (Zhao et al., arXiv 2102.09690). Who is asked, and what it costs, is up to others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

PROMPT = "Text: {text}\nLabel:"
NOTHING = ("N/A", "[MASK]", "")
"""Texts that say nothing, as in the paper."""

Scores = Sequence[float]


class ScoresEndings(Protocol):
    """A model that says how likely endings of a text are."""

    async def score_endings(
        self, text: str, endings: Sequence[str]
    ) -> tuple[Sequence[Sequence[float]], int]:
        """Return the log-probabilities of the tokens of endings, and how many were read."""
        ...


async def likelihoods(
    model: ScoresEndings, prompt: str, labels: Sequence[str]
) -> tuple[Scores, int]:
    """Return how likely each label is behind a prompt, and how many tokens were read.

    It is the mean of the log-probabilities of a label's tokens, so that a long one stands a chance.
    """
    found, read = await model.score_endings(prompt, endings(labels))
    return [sum(own) / max(len(own), 1) for own in found], read


def endings(labels: Sequence[str]) -> list[str]:
    """Return how labels go on with a prompt."""
    return [f" {label}" for label in labels]


def mean(rows: Sequence[Scores]) -> Scores:
    """Return the mean over texts of what each label scores."""
    return [sum(each) / len(rows) for each in zip(*rows, strict=True)]


def probabilities(scores: Scores, prior: Scores) -> Scores:
    """Return the probabilities of labels by how much likelier a text makes them."""
    gains = [score - before for score, before in zip(scores, prior, strict=True)]
    highest = max(gains)
    parts = [math.exp(gain - highest) for gain in gains]
    total = sum(parts)
    return [part / total for part in parts]
