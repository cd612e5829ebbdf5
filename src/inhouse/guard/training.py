"""Trains a tagger on texts with marked personal data.

The one that comes with this program was trained on texts that `writing` wrote, and on nothing
else; `python -m inhouse.guard` makes it again, or one from texts of your own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from inhouse.core.errors import BadInput
from inhouse.guard.chain import NEVER, Floats, slope
from inhouse.guard.clues import CLUES, Clues, Reader
from inhouse.guard.tagger import Tagger, allowed
from inhouse.guard.writing import Marked

Told = Callable[[int, float], None]
"""Hears how many passes are done, and which share of the words was marked rightly on the way."""


@dataclass(frozen=True, slots=True)
class Training:
    """How a tagger is trained.

    `passes` over the texts, `together` texts to a step of AdaGrad (Duchi, Hazan and Singer, JMLR
    2011) of size `step`; `forget` is the share of clues that a step does not see, so that none is
    relied upon alone; `caution` is taken from the score of what is no personal data.
    """

    passes: int = 6
    together: int = 64
    step: float = 0.15
    forget: float = 0.25
    shrink: float = 1e-6
    caution: float = 0.0
    seed: int = 0


def train(
    texts: Sequence[Marked], how: Training = Training(), *, told: Told | None = None
) -> Tagger:
    """Return a tagger for the types that are marked in the texts.

    Raises:
        BadInput: nothing is marked in them.
    """
    types = sorted({kind for text in texts for _, _, kind in text.spans})
    if not types:
        raise BadInput("Nothing is marked in these texts.", "Mark what the tagger is to find.")
    tagger = Tagger(types, np.zeros((CLUES, 2 * len(types) + 1), np.float32), allowed(len(types)))
    learner = _Learner(tagger, how)
    order = random.Random(how.seed)
    shuffled = list(texts)
    for done in range(how.passes):
        order.shuffle(shuffled)
        right = [
            learner.step(shuffled[first : first + how.together])
            for first in range(0, len(shuffled), how.together)
        ]
        if told:
            told(done + 1, sum(right) / len(right))
    tagger.moves[:, 0] -= how.caution
    return tagger


class _Learner:
    def __init__(self, tagger: Tagger, how: Training) -> None:
        self._tagger = tagger
        self._how = how
        self._reader = Reader()
        self._chance = np.random.default_rng(how.seed)
        self._squares = np.full_like(tagger.weights, 1e-2)
        self._move_squares = np.full_like(tagger.moves, 1e-2)

    def step(self, texts: Sequence[Marked]) -> float:
        """Learn from some texts; return the share of their words whose best mark was the true."""
        how, tagger = self._how, self._tagger
        words = self._reader.read([text.text for text in texts])
        marks = _marks(texts, words.starts, words.ends, words.lengths, tagger.types)
        seen = self._chance.random(words.clues.shape) >= how.forget
        kept = seen.astype(np.float32) / np.float32(1 - how.forget)
        scores = np.einsum("wcm,wc->wm", tagger.weights[words.clues], kept)
        by_score, by_move = slope(scores, tagger.moves, words.lengths, marks)
        grown = _gathered(words.clues, kept, by_score / np.float32(len(texts)))
        grown -= how.shrink * tagger.weights
        self._climb(tagger.weights, grown, self._squares)
        self._climb(tagger.moves, by_move / np.float32(len(texts)), self._move_squares)
        np.maximum(tagger.moves, NEVER, out=tagger.moves)
        return float((scores.argmax(axis=1) == marks).mean())

    def _climb(self, values: Floats, by: Floats, squares: Floats) -> None:
        squares += by * by
        values += np.float32(self._how.step) * by / np.sqrt(squares)


def _gathered(clues: Clues, kept: Floats, by_score: Floats) -> Floats:
    flat = clues.ravel()
    return np.stack(
        [
            np.bincount(flat, (kept * column[:, None]).ravel(), minlength=CLUES)
            for column in by_score.T
        ],
        axis=1,
    ).astype(np.float32)


def _marks(
    texts: Sequence[Marked],
    starts: Sequence[int],
    ends: Sequence[int],
    lengths: Sequence[int],
    types: Sequence[str],
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    marks = np.zeros(len(starts), np.int64)
    first = 0
    for text, length in zip(texts, lengths, strict=True):
        for start, end, kind in text.spans:
            inside = [
                w for w in range(first, first + length) if starts[w] < end and start < ends[w]
            ]
            number = 2 * types.index(kind) + 1
            marks[inside] = number + 1
            marks[inside[:1]] = number
        first += length
    return marks
