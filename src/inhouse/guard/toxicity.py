"""Toxicity: a linear model of words and parts of words that somebody's own examples train.

It knows words, not what is meant: it calls quoted and reclaimed words toxic and polite contempt
not, and it takes over the bias of whoever labelled (Davidson et al., arXiv 1905.12516). So it says
what a person should look at, never what is to be refused. No trained model comes with this program.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from zlib import crc32

import numpy as np
import numpy.typing as npt

from inhouse.core.errors import BadInput

CLUES = 1 << 18
PASSES = 8
TOGETHER = 64
STEP = 0.3
SHRINK = 1e-6
LEAST = 10
"""Examples of each kind that there must be."""

LONGEST = 4_000
"""Characters of a text that are read."""

_WORD = re.compile(r"[^\W_]+(?:'[a-z]+)?|[@#!?*]+")
_SIZES = (3, 4, 5)
_REMEMBERED = 100_000

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Read:
    """The clues of some texts one after another; those of text `t` end at `ends[t]`."""

    clues: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]


class Toxicity:
    """Scores texts; make one with `train`."""

    def __init__(self, weights: Floats, bias: float) -> None:
        self.weights, self.bias = weights, bias
        self._reader = _Reader()

    def score(self, texts: Sequence[str]) -> Floats:
        """Return how likely each text would be called toxic, float32 of shape [len(texts)]."""
        if not texts:
            return np.zeros(0, np.float32)
        return _likely(_sums(self._reader.read(texts), self.weights) + np.float32(self.bias))


def train(texts: Sequence[str], toxic: Sequence[bool], *, seed: int = 0) -> Toxicity:
    """Return a model trained on texts of which it is known whether they are toxic.

    Logistic regression, by steps of AdaGrad on small batches; the same texts give the same model.

    Raises:
        BadInput: there are too few of one kind.
    """
    known = np.asarray(toxic, np.float32)
    if min(known.sum(), (1 - known).sum()) < LEAST:
        raise BadInput(
            f"There are fewer than {LEAST} examples of one kind to learn toxicity from.",
            "Label more texts as toxic and as not.",
        )
    model, chance = Toxicity(np.zeros(CLUES, np.float32), 0.0), np.random.default_rng(seed)
    reader = _Reader()
    squares, bias_squares = np.full(CLUES, 1e-4, np.float32), 1e-4
    for _ in range(PASSES):
        order = chance.permutation(len(texts))
        for first in range(0, len(texts), TOGETHER):
            some = order[first : first + TOGETHER]
            read = reader.read([texts[n] for n in some])
            wrong = known[some] - _likely(_sums(read, model.weights) + np.float32(model.bias))
            clues, by = _by_clue(read, wrong, model.weights)
            squares[clues] += by * by
            model.weights[clues] += np.float32(STEP) * by / np.sqrt(squares[clues])
            bias_squares += float(wrong.mean()) ** 2
            model.bias += STEP * float(wrong.mean()) / bias_squares**0.5
    return model


def _by_clue(read: Read, wrong: Floats, weights: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    sizes = np.diff(read.ends, prepend=0)
    shares = np.repeat(wrong / np.sqrt(np.maximum(sizes, 1)), sizes)
    clues, places = np.unique(read.clues, return_inverse=True)
    summed = np.bincount(places, shares, minlength=len(clues)).astype(np.float32)
    return clues, summed / np.float32(len(wrong)) - np.float32(SHRINK) * weights[clues]


def _sums(read: Read, weights: Floats) -> Floats:
    """Return the sum of the weights of each text's clues, over the root of their number."""
    running = np.concatenate([[0.0], np.cumsum(weights[read.clues], dtype=np.float64)])
    starts = np.concatenate([[0], read.ends[:-1]])
    sums = running[read.ends] - running[starts]
    evened: Floats = (sums / np.sqrt(np.maximum(read.ends - starts, 1))).astype(np.float32)
    return evened


def _likely(scores: Floats) -> Floats:
    return np.float32(1) / (np.float32(1) + np.exp(-scores))


class _Reader:
    """Gives the clues of texts: words, parts of words and pairs of words, hashed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[str, list[int]] = {}

    def read(self, texts: Sequence[str]) -> Read:
        clues: list[int] = []
        ends: list[int] = []
        with self._lock:
            if len(self._known) > _REMEMBERED:
                self._known = {}
            for text in texts:
                before = 0
                for word in _WORD.findall(text[:LONGEST].lower()):
                    own = self._own(word)
                    clues += own
                    clues.append((before * 31 + own[0]) % CLUES)
                    before = own[0] + 1
                ends.append(len(clues))
        return Read(np.asarray(clues, np.int64), np.asarray(ends, np.int64))

    def _own(self, word: str) -> list[int]:
        own = self._known.get(word)
        if own is None:
            edged = f"<{word}>"
            parts = [edged[i : i + n] for n in _SIZES for i in range(len(edged) - n + 1)]
            own = [crc32(said.encode()) % CLUES for said in (f"w {word}", *parts)]
            self._known[word] = own
        return own
