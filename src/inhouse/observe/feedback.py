"""Feedback: what people said about answers, in one SQLite file beside the traces.

Who may say something about a trace, and who may read it, is decided in `inhouse.observe.traces`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from inhouse.core.nouns import Feedback, Trace
from inhouse.observe.dayfile import connect, mended
from inhouse.observe.rows import check_texts, day_of
from inhouse.observe.wanted import Thumb

FILE = "feedback.db"
SCORES: Mapping[Thumb, tuple[int, ...]] = {"good": (1,), "bad": (-1,), "any": (1, -1)}
TABLE = """
CREATE TABLE IF NOT EXISTS feedback (
    trace TEXT NOT NULL, actor TEXT NOT NULL, score INTEGER NOT NULL, correction TEXT NOT NULL,
    at REAL NOT NULL, asker TEXT NOT NULL, day TEXT NOT NULL, PRIMARY KEY (trace, actor)
)
"""
SAID = "trace, actor, score, correction, at"
# What is deleted or replaced is overwritten with zeros, and no log of changes lies beside the file.
SETTINGS = ("journal_mode=DELETE", "synchronous=EXTRA", "secure_delete=ON")


class FeedbackFile:
    """The feedback on the traces of a folder; any number of processes may write it.

    `asker` and `day` are those of the trace: feedback goes with it when that is erased or deleted.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Keep others from writing until the block ends; it counts only if that ends well.

        Raises:
            StoreError: the file cannot be written.
        """
        with mended(self._path), closing(connect(self._path, "rwc")) as connection:
            for setting in SETTINGS:
                connection.execute(f"PRAGMA {setting}")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(TABLE)
            yield connection
            connection.execute("COMMIT")

    def on(self, traces: Collection[str], *, by: str = "") -> Mapping[str, Sequence[Feedback]]:
        """Return what was said about traces, by one actor or by all, the oldest first."""
        query = (
            f"SELECT {SAID} FROM feedback WHERE trace IN (SELECT value FROM json_each(?)) "
            f"AND ? IN (actor, '') ORDER BY at, actor"
        )
        found: dict[str, list[Feedback]] = {}
        for row in self._read(query, _listed(traces), by):
            feedback = Feedback(*row)
            found.setdefault(feedback.trace, []).append(feedback)
        return found

    def traces(self, thumb: Thumb, *, by: str = "") -> frozenset[str]:
        """Return the ids of the traces that one actor, or anybody, called so."""
        query = (
            "SELECT DISTINCT trace FROM feedback "
            "WHERE score IN (SELECT value FROM json_each(?)) AND ? IN (actor, '')"
        )
        return frozenset(id for (id,) in self._read(query, _listed(SCORES[thumb]), by))

    def forget(self, *, whose: str, ids: Sequence[str] = ()) -> None:
        """Remove what was said about erased traces; see `inhouse.observe.erase`.

        Without ids, what their asker said about traces of others goes as well.
        """
        if not self._path.exists():
            return
        with self.writing() as connection:
            if ids:
                delete = "DELETE FROM feedback WHERE trace = ? AND ? IN (asker, '')"
                connection.executemany(delete, [(id, whose) for id in ids])
            else:
                delete = "DELETE FROM feedback WHERE ? IN (asker, actor)"
                connection.execute(delete, [whose])

    def forget_until(self, day: str) -> None:
        """Remove what was said about traces of a day and those before it."""
        if self._path.exists():
            with self.writing() as connection:
                connection.execute("DELETE FROM feedback WHERE day <= ?", [day])

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        if not self._path.exists():
            return []
        with mended(self._path), closing(connect(self._path, "rw")) as connection:
            # Somebody may be about to make the table.
            there = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'feedback'")
            return connection.execute(query, values).fetchall() if there.fetchone() else []


def put(connection: sqlite3.Connection, feedback: Feedback, trace: Trace) -> None:
    """Write feedback on a trace, in place of what the actor said about it before.

    Raises:
        BadInput: the correction has half a character.
    """
    check_texts([feedback.correction])
    said = replace(feedback, at=time.time())
    values = (said.trace, said.actor, said.score, said.correction, said.at)
    connection.execute(
        "INSERT OR REPLACE INTO feedback VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*values, trace.actor, day_of(trace.at)),
    )


def _listed(values: Collection[object]) -> str:
    return orjson.dumps(list(values)).decode()
