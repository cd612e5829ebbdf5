"""The tagger: finds people, addresses, organisations and places by clues, not by their form.

One model comes with this program. How it was made, and how to make another, is in `training`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from inhouse.core.errors import BadInput
from inhouse.guard.chain import NEVER, Floats, Marks, likeliest, shares
from inhouse.guard.clues import CLUES, Clues, Reader
from inhouse.guard.finding import Finding
from inhouse.guard.folding import as_seen
from inhouse.models import arrays as files

BUILT_IN = Path(__file__).with_name("tagger.safetensors")
BUILT_IN_SHA256 = "ee6231ead909d0a0ba7cce03dc7d2d76d4c7f60c1f0344c2d721f4ff59e9bd64"

TOGETHER = 100_000
"""Characters that are looked at side by side, about; memory grows with it."""

LONGEST = 2_000
"""Characters of a text that are looked at as one; a longer one is cut between lines or words."""


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
        """Return what is found in each text, as it is and as it looks; findings may overlap."""
        return as_seen(texts, self._in)

    def _in(self, texts: Sequence[str]) -> list[list[Finding]]:
        found: list[list[Finding]] = [[] for _ in texts]
        waiting: list[tuple[int, int, str]] = []
        size = 0
        for number, text in enumerate(texts):
            for start, end in _pieces(text):
                waiting.append((number, start, text[start:end]))
                size += end - start
                if size > TOGETHER:
                    self._find(waiting, found)
                    waiting, size = [], 0
        self._find(waiting, found)
        return found

    def _find(self, pieces: Sequence[tuple[int, int, str]], found: list[list[Finding]]) -> None:
        words = self._reader.read([piece for _, _, piece in pieces])
        scores = self.scores(words.clues)
        marks = likeliest(scores, self.moves, words.lengths)
        sure = self._sureness(scores, marks, words.lengths)
        first = 0
        for (number, offset, _), length in zip(pieces, words.lengths, strict=True):
            for span in _spans(np.flatnonzero(marks[first : first + length]) + first, marks):
                found[number].append(
                    Finding(
                        offset + words.starts[span[0]],
                        offset + words.ends[span[-1]],
                        self.types[(int(marks[span[0]]) - 1) // 2],
                        round(min(1.0, float(sure[span].mean())), 3),
                    )
                )
            first += length

    def scores(self, clues: Clues) -> Floats:
        """Return the score of each mark of each word, float32 of shape [words, marks]."""
        summed = np.zeros((len(clues), self.weights.shape[1]), np.float32)
        for column in clues.T:
            summed += self.weights[column]
        return summed

    def _sureness(self, scores: Floats, marks: Marks, lengths: Sequence[int]) -> Floats:
        """Return how likely each word of a text with findings is personal data of any type."""
        sure = np.zeros(len(marks), np.float32)
        owners = np.repeat(np.arange(len(lengths)), lengths)
        marked = np.unique(owners[marks > 0])
        rows = np.flatnonzero(np.isin(owners, marked))
        likely = shares(scores[rows], self.moves, [lengths[int(n)] for n in marked])
        sure[rows] = 1 - likely[:, 0]
        return sure

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
        path.write_bytes(files.to_bytes(files.Tensors(arrays, said)))

    @classmethod
    def load(cls, path: Path, *, sha256: str | None = None) -> Tagger:
        """Read a tagger from a file.

        Raises:
            BadInput: there is no such file, or it holds something else.
            Corrupt: its digest is not `sha256`.
        """
        read = files.read(path, sha256=sha256)
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


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while len(text) - start > LONGEST:
        cut = start + LONGEST
        for gap in ("\n", " "):
            near = text.rfind(gap, start + LONGEST // 2, cut)
            if near > 0:
                cut = near
                break
        yield start, cut
        start = cut
    if start < len(text):
        yield start, len(text)


def _spans(marked: Marks, marks: Marks) -> list[list[int]]:
    """Return the words that belong together: a mark that continues is with the word before it."""
    spans: list[list[int]] = []
    for word in marked.tolist():
        if spans and marks[word] % 2 == 0 and spans[-1][-1] == word - 1:
            spans[-1].append(word)
        else:
            spans.append([word])
    return spans
