"""Opens the catalog's database: SQLite in WAL mode, migrated, with errors a person can act on.

It knows no table but the counter of migrations and the epoch.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from filelock import FileLock
from sqlalchemy import Connection, Engine, create_engine, event, text, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool

from inhouse.catalog import schema
from inhouse.core.errors import StoreError

BUSY_SECONDS = 60
EPOCH = "SELECT value FROM meta WHERE key = 'epoch'"


class Database:
    """Connections to one database. Reads never wait for writers; writers take turns."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.written = 0  # how often this process has written, or tried to
        self._asking = Lock()
        self._clock: sqlite3.Connection | None = None
        self._engine = _engine(file)
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection outside any transaction."""
        with _mended(self.file), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection in a transaction that commits at the end, or leaves no trace.

        Raises:
            StoreError: the disk is full, the file is read-only or another process holds it.
        """
        try:
            with _mended(self.file), self._engine.begin() as connection:
                yield connection
        finally:
            self.written += 1

    def epoch(self) -> int:
        """Return the counter that moves when labels, groups, heads or deletions change.

        Every decision asks it, so it has a connection of its own that stays open.
        """
        try:
            with self._asking:
                if self._clock is None:
                    self._clock = sqlite3.connect(
                        self.file, BUSY_SECONDS, isolation_level=None, check_same_thread=False
                    )
                # All rows are fetched: a statement that has not ended would go on seeing the past.
                rows = self._clock.execute(EPOCH).fetchall()
        except sqlite3.OperationalError:
            with _mended(self.file):
                raise
        return int(rows[0][0]) if rows else 0

    def close(self) -> None:
        """Close all connections."""
        with self._asking:
            if self._clock is not None:
                self._clock.close()
                self._clock = None
        self._engine.dispose()

    def _migrate(self) -> None:
        if self._migrated() == len(schema.MIGRATIONS):
            return  # so that readers need not wait for whoever writes
        # Turning on WAL fails at once, without waiting, if two do it at the same time.
        with FileLock(self.file.with_suffix(".lock")), self.write() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS migrations (number INTEGER)"))
            done = connection.execute(text("SELECT count(*) FROM migrations")).scalar_one()
            if done > len(schema.MIGRATIONS):
                raise StoreError(
                    f"{self.file} was written by a newer version of inhouse.",
                    "Install that version, or use another store.",
                )
            for number in range(done, len(schema.MIGRATIONS)):
                schema.MIGRATIONS[number](connection)
                connection.execute(text("INSERT INTO migrations VALUES (:n)"), {"n": number + 1})

    def _migrated(self) -> int:
        """Return how many migrations the database has seen, 0 if it cannot say."""
        # Not through the engine, which would turn on WAL outside of the lock.
        with contextlib.suppress(sqlite3.Error):
            address = self.file.absolute().as_uri() + "?mode=ro"
            with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
                return int(connection.execute("SELECT count(*) FROM migrations").fetchone()[0])
        return 0


def advance(connection: Connection) -> None:
    """Move the epoch, so that every process forgets the labels and heads it remembered."""
    connection.execute(
        update(schema.meta)
        .where(schema.meta.c.key == "epoch")
        .values(value=schema.meta.c.value + 1)
    )


def _engine(file: Path) -> Engine:
    # Without a limit: a thread that reads may need a second connection, and would wait forever.
    engine = create_engine(
        f"sqlite:///{file}",
        connect_args={"timeout": BUSY_SECONDS},
        poolclass=QueuePool,
        pool_size=0,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:  # noqa: ANN401
        # The driver must not open transactions by itself: `begin` below does.
        connection.isolation_level = None
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
        except sqlite3.Error:
            connection.close()  # the pool never got it, and would leave the file open
            raise

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that starts as a reader and then writes can fail although it waited.
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@contextmanager
def _mended(file: Path) -> Iterator[None]:
    try:
        yield
    except (OperationalError, sqlite3.OperationalError) as error:
        cause = str(getattr(error, "orig", error))
        fix = {
            "database or disk is full": "Free some space on that disk and run again.",
            "database is locked": "Another process holds it; try again when it is done.",
        }.get(cause, "Check that the folder is there, writable, on a local disk, and has room.")
        raise StoreError(f"The catalog {file} cannot be used: {cause}.", fix) from error
    except DBAPIError as error:
        if "not a database" not in str(error.orig) and "malformed" not in str(error.orig):
            raise
        raise StoreError(
            f"The catalog {file} is damaged: {error.orig}.", "Restore it from a backup."
        ) from error
