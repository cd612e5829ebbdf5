"""Texts to index terms: lower case, accents off, English endings off (SQLite's FTS5, Porter).

Scoring is the business of `search`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby
from operator import itemgetter

TOKENIZER = "porter unicode61"


def terms(text: str) -> list[str]:
    """Return the different terms of a text, in the order in which they first stand there."""
    with closing(sqlite3.connect(":memory:")) as memory:
        _fill(memory, [(0, "", text)])
        rows = memory.execute("SELECT term FROM instances ORDER BY offset").fetchall()
    return list(dict.fromkeys(term for (term,) in rows))


def postings(texts: Iterable[tuple[int, str, str]]) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Yield each term with the numbers of the texts it stands in and how often, in order.

    Args:
        texts: number, headings and text; a word in the headings counts twice.
    """
    # An empty name is a temporary database that SQLite moves to disk when it grows.
    with closing(sqlite3.connect("")) as scratch:
        _fill(scratch, texts)
        rows = scratch.execute(
            "SELECT term, doc, sum(CASE col WHEN 'headings' THEN 2 ELSE 1 END) "
            "FROM instances GROUP BY term, doc ORDER BY term, doc"
        )
        for term, found in groupby(rows, key=itemgetter(0)):
            yield term, [(number, times) for _, number, times in found]


def _fill(database: sqlite3.Connection, texts: Iterable[tuple[int, str, str]]) -> None:
    database.execute(
        f"CREATE VIRTUAL TABLE words USING fts5(headings, text, content='', tokenize='{TOKENIZER}')"
    )
    database.execute("CREATE VIRTUAL TABLE instances USING fts5vocab(words, instance)")
    database.executemany("INSERT INTO words(rowid, headings, text) VALUES (?, ?, ?)", texts)
