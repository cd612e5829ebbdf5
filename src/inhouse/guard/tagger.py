"""The tagger: finds people, addresses, organisations and places by clues, not by their form.

One model comes with this program. How it was made, and how to make another, is in `training`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np

from inhouse.core.errors import BadInput
from inhouse.guard import tensors
from inhouse.guard.chain import NEVER, Floats, Marks, likeliest
from inhouse.guard.clues import CLUES, Clues, Reader
from inhouse.guard.finding import Finding

BUILT_IN = Path(__file__).with_name("tagger.safetensors")
BUILT_IN_SHA256 = ""

TOGETHER = 256
"""Texts that are done side by side."""

LONGEST = 400
"""Words that are looked at together; a longer text is cut at an end of a line or between words."""


class Tagger:
    """Finds the types of personal data that it was trained to find.

    Args:
        types: what it finds; mark 0 is none, 2n+1 and 2n+2 begin and continue type n.
        weights: the score of each mark by clue, float32 of shape [`CLUES`, marks].
        moves: the score of each mark after another, float32 of shape [marks + 1, marks].
    """

    def __init__(self, types: Sequence[str], weights: Floats, moves: Floats) -> None:
        self.types = tuple(types)
        self.weights = weights
        self.moves = moves
        self._reader = Reader()

    def find_many(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return what is found in each text, in the order of the text and without overlaps."""
        found: list[list[Finding]] = []
        left = iter(texts)
        while some := list(islice(left, TOGETHER)):
            found += self._find(some)
        return found

    def _find(self, texts: Sequence[str]) -> list[list[Finding]]:
        words = self._reader.read(texts)
        lengths = _cut(words.lengths)
        scores = self.scores(words.clues)
        marks = likeliest(scores, self.moves, lengths)
        sure = _share(scores, marks)
        found, first = [], 0
        for length in words.lengths:
            here = range(first, first + length)
            found.append(self._spans(here, marks, sure, words.starts, words.ends))
            first += length
        return found

    def scores(self, clues: Clues) -> Floats:
        """Return the score of each mark of each word, float32 of shape [words, marks]."""
        summed: Floats = self.weights[clues].sum(axis=1, dtype=np.float32)
        return summed

    def _spans(
        self, words: range, marks: Marks, sure: Floats, starts: list[int], ends: list[int]
    ) -> list[Finding]:
        marked = [word for word in words if marks[word]]
        spans: list[list[int]] = []
        for word in marked:
            if spans and marks[word] % 2 == 0 and spans[-1][-1] == word - 1:
                spans[-1].append(word)
            else:
                spans.append([word])
        return [
            Finding(
                starts[span[0]],
                ends[span[-1]],
                self.types[(int(marks[span[0]]) - 1) // 2],
                round(float(sure[span].mean()), 3),
            )
            for span in spans
        ]

    def save(self, path: Path, **about: str) -> None:
        """Write it to a file, a byte for each score, with what is to be said about it."""
        scale = np.abs(self.weights).max(axis=0) / 127
        scale[scale == 0] = 1.0
        arrays = {
            "weights": np.rint(self.weights / scale).astype(np.int8),
            "scale": scale.astype(np.float32),
            "moves": self.moves,
        }
        said = {"types": " ".join(self.types), **about}
        path.write_bytes(tensors.to_bytes(tensors.Tensors(arrays, said)))

    @classmethod
    def load(cls, path: Path, *, sha256: str | None = None) -> Tagger:
        """Read a tagger from a file.

        Raises:
            BadInput: there is no such file, or it holds something else.
            Corrupt: its digest is not `sha256`.
        """
        read = tensors.read(path, sha256=sha256)
        types = tuple(read.about.get("types", "").split())
        marks = 2 * len(types) + 1
        wanted = {"weights": (CLUES, marks), "scale": (marks,), "moves": (marks + 1, marks)}
        if {name: array.shape for name, array in read.arrays.items()} != wanted:
            raise BadInput(
                f"{path} is no tagger of this version.", "Train it again with `inhouse.guard`."
            )
        weights = read.arrays["weights"].astype(np.float32) * read.arrays["scale"]
        return cls(types, weights, read.arrays["moves"])


@cache
def built_in() -> Tagger:
    """Return the tagger that comes with this program."""
    return Tagger.load(BUILT_IN, sha256=BUILT_IN_SHA256)


def allowed(types: int) -> Floats:
    """Return moves that forbid what cannot be: a type continues only where it has begun."""
    count = 2 * types + 1
    moves = np.zeros((count + 1, count), np.float32)
    for inside in range(2, count, 2):
        moves[:, inside] = NEVER
        moves[[inside - 1, inside], inside] = 0.0
    return moves


def _cut(lengths: Sequence[int]) -> list[int]:
    cut: list[int] = []
    for length in lengths:
        whole, rest = divmod(length, LONGEST)
        cut += [LONGEST] * whole + [rest] * bool(rest)
    return cut


def _share(scores: Floats, marks: Marks) -> Floats:
    most = scores.max(axis=1, keepdims=True)
    shares = np.exp(scores - most)
    picked: Floats = shares[np.arange(len(marks)), marks] / shares.sum(axis=1)
    return picked
