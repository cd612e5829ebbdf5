"""The one file of a knowledge base: what it holds, and how it is opened for reading.

Filling it is the business of `index`, scoring with it that of `search`.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Lock
from typing import Any

FILE = "index.sqlite"
FORMAT = 4
VECTOR = "<f2"
NUMBER = "<i4"

# Sections are numbered by source, document and position, passages by section and place. So what
# belongs to one source is one range of numbers, and all of it can be masked without copying.
# The key of a document stands for all that its sections and passages follow from, that of a
# passage for what its vectors follow from: what has the same key is taken over unread.
# `tokens` lies apart because reading all `passages` must not pass over it.
# `terms` is an inverted index: the numbers of the sections a term stands in, and how often. It is
# kept source by source: what is not to be read is not passed over, which would take time.
SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE sources (
    number INTEGER PRIMARY KEY, section TEXT NOT NULL, name TEXT NOT NULL, version TEXT);
CREATE TABLE documents (
    number INTEGER PRIMARY KEY, source INTEGER NOT NULL REFERENCES sources, path TEXT NOT NULL,
    title TEXT NOT NULL, modified REAL NOT NULL, digest TEXT NOT NULL, key BLOB NOT NULL);
CREATE TABLE sections (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, document INTEGER NOT NULL REFERENCES documents,
    position INTEGER NOT NULL, headings TEXT NOT NULL, anchor TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE passages (
    number INTEGER PRIMARY KEY, section INTEGER NOT NULL REFERENCES sections,
    start INTEGER NOT NULL, stop INTEGER NOT NULL, key BLOB NOT NULL, vector BLOB NOT NULL);
CREATE TABLE tokens (passage INTEGER PRIMARY KEY REFERENCES passages, vectors BLOB NOT NULL);
CREATE TABLE terms (
    term TEXT NOT NULL, source INTEGER NOT NULL REFERENCES sources, sections BLOB NOT NULL,
    times BLOB NOT NULL, PRIMARY KEY (term, source)) WITHOUT ROWID;
"""


def open_index(folder: Path) -> sqlite3.Connection:
    """Return a connection to the index in `folder`, for use from any thread, one at a time.

    The file never changes, so SQLite takes no locks and leaves no other file behind.

    Raises:
        sqlite3.OperationalError: there is no such file.
    """
    address = (folder / FILE).absolute().as_uri() + "?mode=ro&immutable=1"
    return sqlite3.connect(address, uri=True, check_same_thread=False)


class IndexFile:
    """An index, opened for reading from any number of threads."""

    def __init__(self, folder: Path) -> None:
        self._connection = open_index(folder)
        self._lock = Lock()

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return all rows that a query gives."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    @property
    def format(self) -> int:
        """The format that it was written in."""
        return index_format(self._connection)

    def close(self) -> None:
        """Close the file; whoever is reading from it ends first."""
        with self._lock:
            self._connection.close()


def places(folder: Path) -> list[tuple[str, str, str]]:
    """Return the id, the document and the anchor of every section of the index in `folder`."""
    with closing(open_index(folder)) as index:
        return index.execute(
            "SELECT sec.id, doc.path, sec.anchor FROM sections sec "
            "JOIN documents doc ON doc.number = sec.document ORDER BY sec.number"
        ).fetchall()


def index_format(connection: sqlite3.Connection) -> int:
    """Return the format that an index was written in."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
    return int(row[0])
