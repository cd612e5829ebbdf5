"""The index of the version before: a place to take over what is the same in the new one.

Making what is not there is the business of `index`.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from inhouse.knowledge.passages import Passage
from inhouse.knowledge.schema import FILE, FORMAT, SCHEMA, VECTORS_SINCE, index_format, open_index
from inhouse.knowledge.terms import Posting, read_terms

SectionRow = tuple[int, str, int, str, str, str]
"""Number, id, position, headings, anchor and text of a section."""


@contextmanager
def earlier(folder: Path | None) -> Iterator[Earlier]:
    """Open the index in `folder`; an empty one if there is none, or one too old to be read.

    Of one in an older format only vectors are found: its documents have keys of an older stage.
    """
    with closing(_opened(folder)) as index:
        yield Earlier(index)


class Earlier:
    """What an index holds, by keys. Its numbers are not those of the new one."""

    def __init__(self, index: sqlite3.Connection) -> None:
        self._index = index
        self._documents: dict[bytes, int] = dict(index.execute("SELECT key, number FROM documents"))
        ranges = "SELECT document, min(number), max(number) + 1 FROM sections GROUP BY document"
        self._ranges = {document: (first, stop) for document, first, stop in index.execute(ranges)}
        rows = index.execute("SELECT section, start, stop, key FROM passages ORDER BY number")
        self._passages = [Passage(*row) for row in rows]
        self._numbers = {passage.key: n for n, passage in enumerate(self._passages)}

    def sections(self, document: bytes) -> Sequence[SectionRow] | None:
        """Return the sections of a document in order, None if it is not there."""
        if document not in self._documents:
            return None
        find = (
            "SELECT number, id, position, headings, anchor, text FROM sections "
            "WHERE number >= ? AND number < ? ORDER BY number"
        )
        return self._index.execute(find, self._range(document)).fetchall()

    def passages(self, document: bytes) -> Sequence[Passage]:
        """Return the passages of a document that is there, in order."""
        first, stop = (
            bisect_left(self._passages, section, key=lambda passage: passage.section)
            for section in self._range(document)
        )
        return self._passages[first:stop]

    def holds(self, passage: bytes) -> bool:
        """Say whether the vectors of a passage are there."""
        return passage in self._numbers

    def vector(self, passage: bytes) -> bytes:
        """Return the vector of a passage that is there."""
        return self._blob("SELECT vector FROM passages WHERE number = ?", passage)

    def tokens(self, passage: bytes) -> bytes:
        """Return the vectors of the tokens of a passage that is there."""
        return self._blob("SELECT vectors FROM tokens WHERE passage = ?", passage)

    def terms(self, taken: Sequence[tuple[int, int]]) -> Iterator[Posting]:
        """Yield the terms of sections that were taken over: number here, new number of each."""
        if not taken:
            return
        (sections,) = self._index.execute("SELECT max(number) + 1 FROM sections").fetchone()
        moved = np.full(sections, -1)
        here, there = np.array(taken).T
        moved[here] = there
        for term, numbers, times in read_terms(self._index):
            new = moved[numbers]
            kept = new >= 0
            if kept.any():
                yield term, new[kept], times[kept]

    def _range(self, document: bytes) -> tuple[int, int]:
        return self._ranges.get(self._documents[document], (0, 0))

    def _blob(self, find: str, passage: bytes) -> bytes:
        (blob,) = self._index.execute(find, (self._numbers[passage],)).fetchone()
        return bytes(blob)


def _opened(folder: Path | None) -> sqlite3.Connection:
    if folder is not None and (folder / FILE).exists():
        index = open_index(folder)
        if VECTORS_SINCE <= index_format(index) <= FORMAT:
            return index
        index.close()
    empty = sqlite3.connect(":memory:")
    empty.executescript(SCHEMA)
    return empty
