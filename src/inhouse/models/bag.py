"""A text classifier without a vocabulary: hashed parts of words, run by numpy alone.

A text is the mean of a vector for each word, each part of a word and each pair of neighbours
(Joulin et al., arXiv 1607.01759), found by their hash. How it learns is the business of
`inhouse.compress`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self
from zlib import crc32

import numpy as np
import numpy.typing as npt

from inhouse.core.errors import BadInput
from inhouse.models import arrays
from inhouse.models.small import Floats, Small, packed, steadied, unpacked

WEIGHTS = "bag.safetensors"
FILES = (WEIGHTS,)
PARTS = (3, 4, 5)
"""Letters of a part of a word, its two edges counted."""
LONGEST = 4_000
"""So many letters of a text are read; what it is about shows in its beginning."""
REMEMBERED = 20_000
_WORD = re.compile(r"\w+|[^\w\s]")

Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Parameters:
    """All that a bag has learnt.

    Args:
        vectors: of each place that a part is hashed to, float32 of shape [places, width].
        head: the score of each class, float32 of shape [classes, width].
        bias: what is added to the scores, float32 of shape [classes].
    """

    vectors: Floats
    head: Floats
    bias: Floats

    def rounded(self) -> Parameters:
        """Return them as they are after they were written: a byte for each weight."""
        found = _packed(self)
        return Parameters(unpacked("vectors", found), unpacked("head", found), self.bias)


def places(text: str, many: int) -> list[int]:
    """Return the places of all parts of a text, each below `many`; of an empty text the first."""
    words = _words(text)
    found = [place for word in words for place in _of_word(word, many)]
    found += _of_pairs(words, many)
    return found or [0]


def _words(text: str) -> list[str]:
    return _WORD.findall(text[:LONGEST].casefold())


def _of_word(word: str, many: int) -> list[int]:
    edged = f"<{word}>"
    parts = {edged[n : n + size] for size in PARTS for n in range(len(edged) - size + 1)}
    return [crc32(part.encode("utf-8", "replace")) % many for part in (edged, *sorted(parts))]


def _of_pairs(words: Sequence[str], many: int) -> list[int]:
    pairs = pairwise(["", *words, ""])
    return [crc32(f"{a} {b}".encode("utf-8", "replace")) % many for a, b in pairs]


class Bag(Small):
    """Puts texts into classes by the parts of their words; a `core.protocols.Classifier`."""

    def __init__(
        self,
        classes: Sequence[str],
        parameters: Parameters,
        *,
        temperature: float = 1.0,
        below: float = 0.0,
    ) -> None:
        super().__init__(classes, temperature=temperature, below=below)
        self.parameters = parameters
        self._many = len(parameters.vectors)
        self._head = np.ascontiguousarray(parameters.head.T)
        self._sums: dict[str, tuple[Floats, int]] = {}

    def tokens(self, texts: Sequence[str]) -> int:
        """Return how many words and signs `classify` reads for these texts."""
        return sum(len(_words(text)) for text in texts)

    def score(self, text: str) -> Floats:
        """Return the score of each class before it becomes a probability, float32 [classes]."""
        words = _words(text)
        known = [self._sums.get(word) or self._learnt(word) for word in words]
        pairs = self.parameters.vectors.take(_of_pairs(words, self._many), 0)
        total = pairs.sum(0)
        for vector, _ in known:
            total += vector
        features = steadied(total / (sum(count for _, count in known) + len(pairs)))
        found: Floats = features @ self._head
        found += self.parameters.bias
        return found

    def _learnt(self, word: str) -> tuple[Floats, int]:
        """Return the sum of the vectors of a word's parts and their count, and remember them."""
        rows = self.parameters.vectors.take(_of_word(word, self._many), 0)
        if len(self._sums) >= REMEMBERED:
            self._sums.clear()
        found = self._sums[word] = (rows.sum(0), len(rows))
        return found

    def save(self, folder: Path) -> None:
        """Write it into a folder: numbers, a byte each."""
        self._write(folder / WEIGHTS, _packed(self.parameters))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            BadInput: the file is missing, or holds something else.
        """
        read = arrays.read(folder / WEIGHTS)
        try:
            found = read.arrays
            known = Parameters(unpacked("vectors", found), unpacked("head", found), found["bias"])
            classes = json.loads(read.about["classes"])
            temperature, below = float(read.about["temperature"]), float(read.about["below"])
            if known.head.shape != (len(classes), known.vectors.shape[1]):
                raise ValueError("its arrays do not fit together")
        except (KeyError, ValueError) as error:
            raise BadInput(f"{folder / WEIGHTS} is no bag: {error}.", "Make it again.") from error
        return cls(classes, known, temperature=temperature, below=below)


def _packed(parameters: Parameters) -> dict[str, npt.NDArray[np.generic]]:
    vectors, head = packed("vectors", parameters.vectors), packed("head", parameters.head)
    return {**vectors, **head, "bias": parameters.bias}
