"""The inverted index in a knowledge base's file: written, and read for the next version.

What a term is, is the business of `words`; counting with it that of `search`.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from inhouse.knowledge.schema import NUMBER

Numbers = npt.NDArray[np.integer]
Posting = tuple[str, Numbers, Numbers]
"""A term, the numbers of the sections it stands in, in order, and how often in each."""


def write_terms(
    index: sqlite3.Connection, taken: Iterable[Posting], new: Iterable[Posting]
) -> None:
    """Write all terms, and the length of every section in terms.

    Args:
        index: where to; its sections are there.
        taken: terms of some sections, in order.
        new: terms of the others, in order.
    """
    sources = _sources(index)
    lengths = np.zeros(len(sources), NUMBER)
    for term, numbers, times in _merged(taken, new):
        lengths[numbers] += times
        its, begins = np.unique(sources[numbers], return_index=True)
        parts = (np.split(of.astype(NUMBER), begins[1:]) for of in (numbers, times))
        for source, *blobs in zip(its.tolist(), *parts, strict=True):
            row = (term, source, *(blob.tobytes() for blob in blobs))
            index.execute("INSERT INTO terms VALUES (?, ?, ?, ?)", row)
    index.execute("INSERT INTO meta VALUES ('lengths', ?)", (lengths.tobytes(),))


def read_terms(index: sqlite3.Connection) -> Iterator[Posting]:
    """Yield all terms of an index, in order; a term of several sources comes several times."""
    rows = index.execute("SELECT term, sections, times FROM terms ORDER BY term, source")
    for term, numbers, times in rows:
        yield term, np.frombuffer(numbers, NUMBER), np.frombuffer(times, NUMBER)


def _sources(index: sqlite3.Connection) -> npt.NDArray[np.intp]:
    """Return the number of the source of each section."""
    rows = index.execute(
        "SELECT doc.source FROM sections sec JOIN documents doc ON doc.number = sec.document "
        "ORDER BY sec.number"
    )
    return np.array(rows.fetchall(), np.intp).reshape(-1)


def _merged(*parts: Iterable[Posting]) -> Iterator[Posting]:
    # SQLite orders text by its bytes in UTF-8, which is the order of the characters' numbers.
    for term, found in groupby(heapq.merge(*parts, key=itemgetter(0)), key=itemgetter(0)):
        _, numbers, times = zip(*found, strict=True)
        together = np.concatenate(numbers)
        order = np.argsort(together, kind="stable")
        yield term, together[order], np.concatenate(times)[order]
