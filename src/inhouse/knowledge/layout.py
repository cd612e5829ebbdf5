"""What belongs together in an index: the sections and passages of a source, of a document.

All of it are ranges of numbers, small enough to be held in memory. Texts stay in the file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inhouse.core.artifact import Ref
from inhouse.knowledge.schema import IndexFile

Numbers = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Source:
    """A data set in an index: its number and path, and its sections and passages."""

    number: int
    path: str
    sections: slice
    passages: slice


class Layout:
    """Which passages belong to which section, which sections to which document and source."""

    def __init__(self, index: IndexFile) -> None:
        documents = index.rows("SELECT document FROM sections ORDER BY number")
        owners = index.rows("SELECT section FROM passages ORDER BY number")
        self._documents = np.array(documents, np.intp).reshape(-1)
        self._owners = np.array(owners, np.intp).reshape(-1)
        numbers = np.arange(len(self._documents) + 1)
        self._firsts: Numbers = np.searchsorted(self._owners, numbers)
        self.sources = {source.path: source for source in self._find_sources(index)}

    def filled(self) -> list[Source]:
        """Return the sources that have sections."""
        return [s for s in self.sources.values() if s.sections.start < s.sections.stop]

    def sections_of(self, passages: Numbers) -> Numbers:
        """Return the number of the section of each passage."""
        return self._owners[passages]

    def first_passages(self, sections: Numbers) -> Numbers:
        """Return the number of the first passage of each section."""
        return self._firsts[sections]

    def passages_of(self, sections: Numbers) -> tuple[Numbers, Numbers]:
        """Return the numbers of all passages of some sections, and where those of each begin."""
        counts = self._firsts[sections + 1] - self._firsts[sections]
        begins = np.cumsum(counts) - counts
        places = np.arange(counts.sum()) - np.repeat(begins, counts)
        return np.repeat(self._firsts[sections], counts) + places, begins

    def beside(self, sections: Numbers, step: int) -> Numbers:
        """Return the sections `step` further on in the same document; -1 where there is none."""
        moved = sections + step
        inside = (moved >= 0) & (moved < len(self._documents))
        same = self._documents[np.where(inside, moved, sections)] == self._documents[sections]
        return np.where(inside & same, moved, -1)

    def _find_sources(self, index: IndexFile) -> list[Source]:
        rows = index.rows(
            "SELECT src.number, src.section, src.name, min(sec.number), max(sec.number) "
            "FROM sources src LEFT JOIN documents doc ON doc.source = src.number "
            "LEFT JOIN sections sec ON sec.document = doc.number "
            "GROUP BY src.number ORDER BY src.number"
        )
        sources = []
        for number, section, name, first, last in rows:
            start, stop = (0, 0) if first is None else (first, last + 1)
            passages = slice(int(self._firsts[start]), int(self._firsts[stop]))
            sources.append(Source(number, Ref(section, name).path, slice(start, stop), passages))
        return sources
