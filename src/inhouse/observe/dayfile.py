"""Day files: what one worker records in one day, a SQLite file that it alone writes.

The worker holds a lock beside it for as long as it may write, so that everybody can tell the file
of a dead worker from that of a living one. What is recorded, and when, is not decided here.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from inhouse.core.errors import StoreError
from inhouse.observe.rows import Row
from inhouse.observe.wanted import Wanted

BUSY_SECONDS = 60
CHECKPOINT_PAGES = 500
COLUMNS = ", ".join(Row._fields)
# A record has about 2 kB: with the usual 4,096 bytes a page, half of each would be empty.
TABLE = f"""
PRAGMA page_size=8192;
PRAGMA journal_mode=WAL;
CREATE TABLE IF NOT EXISTS traces (
    {", ".join(f"{name} {'REAL' if name == 'at' else 'TEXT'} NOT NULL" for name in Row._fields)},
    PRIMARY KEY (id)
);
CREATE INDEX IF NOT EXISTS by_time ON traces (at, actor, state);
"""
SELECTED = f"""
SELECT * FROM (
    SELECT {COLUMNS.replace("state", "CASE state WHEN 'open' THEN ? ELSE state END AS state")}
    FROM traces WHERE {{condition}}
)
"""


@dataclass(frozen=True, slots=True, order=True)
class DayFile:
    """One file; its name says the day, and no two are ever called the same."""

    path: Path

    @classmethod
    def new(cls, folder: Path, day: str) -> DayFile:
        """Return a file that is not there yet."""
        return cls(folder / f"{day}.{os.getpid()}.{uuid.uuid4().hex[:12]}.db")

    @property
    def name(self) -> str:
        """Its name in the folder."""
        return self.path.name

    @property
    def day(self) -> str:
        """The day of all its traces."""
        return self.name.partition(".")[0]

    def claim(self) -> FileLock:
        """Take the lock that only its worker holds; a killed worker has let go of it.

        Raises:
            Timeout: its worker is alive.
        """
        lock = FileLock(self.path.with_suffix(".lock"), thread_local=False)
        lock.acquire(timeout=0)
        return lock

    def alive(self) -> bool:
        """Say whether its worker may still write; while somebody else asks, it seems so."""
        try:
            lock = self.claim()
        except Timeout:
            return True
        if not self.path.exists():
            self.remove()  # rolled up meanwhile: its lock is there only because we asked
        lock.release()
        return False

    def create(self, *, synchronous: str) -> sqlite3.Connection:
        """Open it for writing, and make it if it is not there; nobody sees it half made."""
        if not self.path.exists():
            aside = self.path.with_suffix(".new")
            with closing(connect(aside, "rwc")) as connection:
                connection.executescript(TABLE)
            aside.rename(self.path)
        connection = connect(self.path, "rw")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        return connection

    def open(self) -> sqlite3.Connection | None:
        """Open it for reading; None if it is gone."""
        with mended(self.path):
            try:
                return connect(self.path, "rw")
            except sqlite3.OperationalError:
                if self.path.exists():
                    raise
                return None

    def empty(self) -> bool:
        """Say whether nothing was recorded in it."""
        connection = self.open()
        if connection is None:
            return True
        with closing(connection), mended(self.path):
            return connection.execute("SELECT 1 FROM traces LIMIT 1").fetchone() is None

    def remove(self) -> None:
        """Remove it with all that lies beside it."""
        for suffix in (".db", ".db-wal", ".db-shm", ".lock"):
            # Windows removes nothing that somebody has open; the next one who comes by will.
            with contextlib.suppress(PermissionError):
                self.path.with_suffix(suffix).unlink(missing_ok=True)


@cache
def replacement(count: int) -> str:
    """Return the statement that puts so many rows into a file, each in place of its older self."""
    row = f"({', '.join('?' * len(Row._fields))})"
    changes = ", ".join(f"{name} = excluded.{name}" for name in Row._fields[1:])
    return (
        f"INSERT INTO traces ({COLUMNS}) VALUES {', '.join([row] * count)} "
        f"ON CONFLICT (id) DO UPDATE SET {changes}"
    )


def day_files(folder: Path, day: str = "????-??-??") -> list[DayFile]:
    """Return the files of a folder, of one day or by day."""
    return sorted(DayFile(path) for path in folder.glob(f"{day}.*.db"))


def select(
    connection: sqlite3.Connection, wanted: Wanted, *, unfinished: str, newest_first: bool = True
) -> Iterator[Row]:
    """Yield the wanted rows of a file by time; `unfinished` is what to call those still open."""
    condition, values = wanted.sql()
    query = SELECTED.format(condition=condition)
    if wanted.state:
        query += " WHERE state = ?"
        values.append(wanted.state)
    order = "DESC" if newest_first else "ASC"
    query += f" ORDER BY at {order}, id {order}"
    with mended(), closing(connection.execute(query, [unfinished, *values])) as cursor:
        for row in cursor:
            yield Row(*row)


def purge(file: DayFile, whose: str, ids: Sequence[str]) -> int:
    """Remove traces from a file so that no byte of them stays in it; return how many.

    Those with the `ids` go, whose ever they are if `whose` is ""; without ids, all of theirs.
    The file's worker waits meanwhile. A file that is gone has none.

    Raises:
        StoreError: somebody reads the file all the time.
    """
    connection = file.open()
    if connection is None:
        return 0
    with closing(connection), mended(file.path):
        connection.execute("BEGIN IMMEDIATE")
        if ids:
            delete = "DELETE FROM traces WHERE id = ? AND ? IN (actor, '')"
            count = connection.executemany(delete, [(id, whose) for id in ids]).rowcount
        else:
            count = connection.execute("DELETE FROM traces WHERE actor = ?", [whose]).rowcount
        connection.execute("COMMIT")
        # Writes all that is left anew, then the log of changes into the file, and empties it.
        connection.execute("VACUUM")
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise StoreError(f"{file.name} is being read.", "End what reads it and erase again.")
    return count


@contextlib.contextmanager
def mended(path: Path | str = "A file of traces") -> Iterator[None]:
    """Turn what SQLite complains of into a sentence.

    Raises:
        StoreError: the file cannot be used.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            f"{path} cannot be used: {error}.",
            "Check that its disk has room and may be written; what is damaged, take out of there.",
        ) from error


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a file in the mode of SQLite's addresses: ``rw`` or, to make it as well, ``rwc``."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
