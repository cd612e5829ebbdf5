"""BM25: how well sections match the words of a question, counted in readable sources alone.

After Robertson and Zaragoza, doi:10.1561/1500000019. Which words a text has is the business of
`words`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from inhouse.knowledge.layout import Source
from inhouse.knowledge.schema import NUMBER, IndexFile

Scores = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int32]

SATURATION = 1.2
LENGTH = 0.75


class Postings:
    """The inverted index, read term by term.

    A document frequency over all sources would tell a reader about texts that are none of their
    business, so even the frequencies are those of the sources given.
    """

    def __init__(self, index: IndexFile) -> None:
        ((lengths,),) = index.rows("SELECT value FROM meta WHERE name = 'lengths'")
        self._lengths = np.frombuffer(lengths, NUMBER).astype(np.float64)
        self._index = index

    def scores(
        self, sources: Sequence[Source], terms: Sequence[str]
    ) -> tuple[Scores, dict[str, float]]:
        """Return BM25 of each section of the whole index, 0 for all outside `sources`.

        With it come the rarities of the terms.
        """
        lengths = np.concatenate([self._lengths[source.sections] for source in sources])
        usual = max(lengths.mean(), 1.0)
        weights = SATURATION * (1 - LENGTH + LENGTH * self._lengths / usual)
        scores = np.zeros(len(self._lengths))
        rarities = {}
        for term, (sections, times) in zip(terms, self._read(sources, terms), strict=True):
            rarity = rarities[term] = _rarity(len(sections), len(lengths))
            gained = rarity * times * (SATURATION + 1) / (times + weights[sections])
            scores[sections] += gained
        return scores, rarities

    def rarity(self, sources: Sequence[Source], term: str) -> float:
        """Return how much a term tells among the sections of `sources`; 0 if it is in none."""
        ((sections, _),) = self._read(sources, [term])
        every = sum(s.sections.stop - s.sections.start for s in sources)
        return _rarity(len(sections), every) if len(sections) else 0.0

    def _read(
        self, sources: Sequence[Source], terms: Sequence[str]
    ) -> Iterator[tuple[Counts, Counts]]:
        """Yield for each term the sections of `sources` it stands in, and how often there."""
        numbers, marks = ", ".join(str(s.number) for s in sources), ", ".join("?" for _ in terms)
        rows = self._index.rows(
            "SELECT term, sections, times FROM terms "
            f"WHERE term IN ({marks}) AND source IN ({numbers}) ORDER BY term, source",
            *terms,
        )
        parts: dict[str, list[tuple[bytes, bytes]]] = {term: [(b"", b"")] for term in terms}
        for term, *blobs in rows:
            parts[term].append(tuple(blobs))
        for blobs in parts.values():
            sections, times = (b"".join(each) for each in zip(*blobs, strict=True))
            yield np.frombuffer(sections, NUMBER), np.frombuffer(times, NUMBER)


def _rarity(holding: int, sections: int) -> float:
    return math.log(1 + (sections - holding + 0.5) / (holding + 0.5))
