"""A large set of documents put together from real ones, with vectors put together likewise.

A section has half of the words of one real passage and half of those of another one; its vector is
the mean of both their vectors, with some noise; its tokens' vectors are half those of the one and
half those of the other. So words and lengths are as frequent as they really are, neighbours as near
as different texts about the same matters are, and nothing need be embedded. It says nothing about
how well anything is found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inhouse.core.nouns import Document
from inhouse.knowledge.schema import VECTOR, open_index
from inhouse.knowledge.tokens import SHARING, Vectors

SECTIONS_OF_A_DOCUMENT = 8
WORDS = 80
NOISE = 0.25


@dataclass(frozen=True, slots=True)
class Passage:
    """A real passage: the heading above it, its words, its vector and those of its tokens."""

    heading: str
    words: Sequence[str]
    vector: Vectors
    tokens: Vectors


def real_passages(folder: Path) -> list[Passage]:
    """Return the passages of an index."""
    rows = open_index(folder).execute(
        "SELECT sec.headings, substr(sec.text, pas.start + 1, pas.stop - pas.start), pas.vector, "
        "tok.vectors FROM passages pas JOIN sections sec ON sec.number = pas.section "
        "JOIN tokens tok ON tok.passage = pas.number ORDER BY pas.number"
    )
    found = []
    for headings, text, vector, tokens in rows:
        whole = np.frombuffer(vector, VECTOR).astype(np.float32)
        parts = np.frombuffer(tokens, np.int8).reshape(-1, len(whole)).astype(np.float32)
        heading = " ".join(re.findall(r"\w+", json.loads(headings)[-1])) or "Section"
        found.append(Passage(heading, text.split(), whole, parts))
    return found


class Recombined:
    """Writes documents of recombined passages, and embeds them."""

    def __init__(self, real: Sequence[Passage]) -> None:
        self._real = real
        self._random = np.random.default_rng(7)
        self._made: dict[str, tuple[int, int]] = {}

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return len(self._real[0].vector)

    def documents(self, sections: int) -> Iterator[Document]:
        """Yield documents that have so many sections together."""
        for first in range(0, sections, SECTIONS_OF_A_DOCUMENT):
            count = min(SECTIONS_OF_A_DOCUMENT, sections - first)
            pairs = self._random.integers(len(self._real), size=(count, 2))
            title = self._real[pairs[0, 1]].heading
            parts = (
                f"## {self._real[one].heading}\n\n{self._text(one, two)}" for one, two in pairs
            )
            path = f"{first // SECTIONS_OF_A_DOCUMENT:06}.md"
            yield Document(path, title, f"# {title}\n\n" + "\n\n".join(parts), "0" * 64)

    def _text(self, one: int, two: int) -> str:
        words = self._real[one].words, self._real[two].words
        halves = [*words[0][: len(words[0]) // 2][:WORDS], *words[1][len(words[1]) // 2 :][:WORDS]]
        text = re.sub(r"^\W+", "", " ".join(halves)) or "Nothing."
        self._made[text] = int(one), int(two)
        return text

    def embed_tokens(
        self, texts: Sequence[str], *, starts: Sequence[int]
    ) -> tuple[Vectors, list[Vectors]]:
        """Return vectors of the texts of `documents`, and of their tokens."""
        pairs = [self._pair(text[start:]) for text, start in zip(texts, starts, strict=True)]
        tokens = []
        for one, two in pairs:
            ours = one.tokens[: len(one.tokens) // 2 + 1], two.tokens[len(two.tokens) // 2 :]
            tokens.append(np.repeat(np.concatenate(ours), SHARING, axis=0))
        return np.stack([self._mean(one, two) for one, two in pairs]), tokens

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return vectors of the texts of `documents`."""
        return self.embed_tokens(texts, starts=[0] * len(texts))[0]

    def pieces(self, text: str) -> list[str]:
        """Return the words of a text."""
        return text.split()

    def tokens(self, texts: Sequence[str]) -> int:
        """Return how many words the texts have."""
        return sum(len(text.split()) for text in texts)

    def _pair(self, text: str) -> tuple[Passage, Passage]:
        made = self._made.get(text.partition("\n")[2])
        one, two = made or self._random.integers(len(self._real), size=2)
        return self._real[one], self._real[two]

    def _mean(self, one: Passage, two: Passage) -> Vectors:
        noise = self._random.standard_normal(self.width) * NOISE / np.sqrt(self.width)
        mixed = (one.vector + two.vector) / 2 + noise
        return np.asarray(mixed / np.linalg.norm(mixed), np.float32)
