"""The recorder: takes traces from many requests at once and returns when they are on the disk.

Group commit: one thread writes what has come together in one transaction, then tells all who
wait. It neither reads traces nor decides who may.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Literal

from filelock import FileLock

from inhouse.core.errors import StoreError
from inhouse.core.nouns import Trace
from inhouse.observe.dayfile import DayFile, replacement
from inhouse.observe.rows import DAY_SECONDS, Row, day_of, row_of, start_of

Durability = Literal["power", "process"]

SYNCHRONOUS = {"power": "FULL", "process": "NORMAL"}
MOST_AT_ONCE = 100
MOST_WAITING = 10_000
PROBE_SECONDS = 1.0
IDLE_SECONDS = 60.0
LET_GO_SECONDS = 3_600
FIX = "Free some space on that disk or mend its permissions; recording goes on by itself then."


class Recorder:
    """Records traces into files of its own in a folder; a `core.protocols.Sink`.

    With ``durability="power"`` what was recorded outlives a power failure, with ``"process"`` a
    kill of the process. To be made in the process that uses it: a fork may not share it.
    """

    def __init__(self, folder: Path, durability: Durability = "power") -> None:
        """Open today's file.

        Raises:
            StoreError: the folder cannot be written.
        """
        self._folder = folder
        self._files = _Files(folder, SYNCHRONOUS[durability])
        self._waiting: list[_Pending] = []
        self._changed = threading.Condition()
        self._telling: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._healthy = True
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._files.probe()
        except (sqlite3.Error, OSError) as error:
            self._files.close()
            raise StoreError(*self._explain(error)) from error
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def healthy(self) -> bool:
        """Whether it could write the last time it tried; while not, it tries every second."""
        return self._healthy

    async def record(self, trace: Trace) -> None:
        """Record a trace durably; it takes the place of one with the same id.

        Who stops waiting does not stop the recording.

        Raises:
            StoreError: it could not be written, or more wait already than can be held.
            BadInput: something in it is no JSON, or its time is none; nobody else's fails by it.
        """
        await self._wait(row_of(trace))

    async def _wait(self, row: Row | None) -> None:
        loop = asyncio.get_running_loop()
        pending = _Pending(row, loop, loop.create_future())
        with self._changed:
            if self._closed:
                raise StoreError("The recorder is closed.", "Start the server again.")
            if len(self._waiting) >= MOST_WAITING:
                raise StoreError(f"{MOST_WAITING:,} traces wait to be recorded.", FIX)
            self._waiting.append(pending)
        if self._telling is not loop:  # once for all that come in one turn of the loop
            self._telling = loop
            loop.call_soon(self._tell)
        await pending.done

    def _tell(self) -> None:
        self._telling = None
        with self._changed:
            self._changed.notify()

    async def probe(self) -> None:
        """Write something that changes nothing.

        Raises:
            StoreError: it could not be written, or more wait already than can be held.
        """
        await self._wait(None)

    def close(self) -> None:
        """Record what waits, and let go of the files."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            failure = self._write([pending.row for pending in batch if pending.row], bool(batch))
            self._healthy = failure is None
            self._files.let_go(time.time())
            _settle(batch, failure)
        self._files.close()

    def _take(self) -> list[_Pending] | None:
        """Wait for traces; none come after a while, and None once it is closed."""
        with self._changed:
            if not self._waiting and not self._closed:
                self._changed.wait(IDLE_SECONDS if self._healthy else PROBE_SECONDS)
            if not self._waiting:
                return None if self._closed else []
            batch = self._waiting[:MOST_AT_ONCE]
            del self._waiting[:MOST_AT_ONCE]
            return batch

    def _write(self, rows: Sequence[Row], asked: bool) -> tuple[str, str] | None:
        """Write rows, or try whether it could if somebody `asked`.

        It returns what went wrong, if anything, and how to mend it.
        """
        try:
            if rows:
                self._files.write(rows)
            elif asked or not self._healthy:
                self._files.probe()
        except Exception as error:  # whatever it was, those who wait must hear of it
            self._files.disconnect()
            return self._explain(error)
        return None

    def _explain(self, error: Exception) -> tuple[str, str]:
        return f"Nothing can be recorded in {self._folder}: {error}.", FIX


@dataclass(frozen=True, slots=True)
class _Pending:
    """A row that somebody waits for; None is a probe."""

    row: Row | None
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]


def _settle(batch: Sequence[_Pending], failure: tuple[str, str] | None) -> None:
    """Tell all who wait, with one call into each of their loops."""
    for loop, group in groupby(batch, key=lambda pending: pending.loop):
        waiting = [pending.done for pending in group]
        try:
            loop.call_soon_threadsafe(_tell, waiting, failure)
        except RuntimeError:  # the loop was closed: nobody waits any more
            continue


def _tell(waiting: Sequence[asyncio.Future[None]], failure: tuple[str, str] | None) -> None:
    for done in waiting:
        if done.done():  # cancelled
            continue
        if failure:
            done.set_exception(StoreError(*failure))
        else:
            done.set_result(None)


@dataclass(slots=True)
class _Held:
    """A file of ours: its lock for as long as we may write, its connection while all is well."""

    file: DayFile
    lock: FileLock
    connection: sqlite3.Connection | None = None


class _Files:
    """The files of one worker, one for each day that it records in."""

    def __init__(self, folder: Path, synchronous: str) -> None:
        self._folder = folder
        self._synchronous = synchronous
        self._held: dict[str, _Held] = {}

    def write(self, rows: Sequence[Row]) -> None:
        """Write up to `MOST_AT_ONCE` rows, those of one day in one transaction."""
        for number, group in groupby(rows, key=lambda row: row.at // DAY_SECONDS):
            some = list(group)
            connection = self._open(day_of(number * DAY_SECONDS))
            # One statement, which is a transaction: each more would wait for the interpreter.
            connection.execute(replacement(len(some)), list(chain.from_iterable(some)))

    def probe(self) -> None:
        """Write something that changes nothing."""
        connection = self._open(day_of(time.time()))
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA user_version={int(time.time())}")
        connection.execute("COMMIT")

    def let_go(self, now: float) -> None:
        """Close the files of days that are over for a while, so that they can be rolled up."""
        for day in list(self._held):
            if now >= start_of(day) + DAY_SECONDS + LET_GO_SECONDS:
                _close(self._held.pop(day))

    def disconnect(self) -> None:
        """Close all connections, but keep the files ours."""
        for held in self._held.values():
            if held.connection:
                held.connection.close()
                held.connection = None

    def close(self) -> None:
        """Let go of all files."""
        while self._held:
            _close(self._held.popitem()[1])

    def _open(self, day: str) -> sqlite3.Connection:
        held = self._held.get(day)
        if held is None:
            file = DayFile.new(self._folder, day)
            held = self._held[day] = _Held(file, file.claim())
        if held.connection is None:
            held.connection = held.file.create(synchronous=self._synchronous)
        return held.connection


def _close(held: _Held) -> None:
    """Let go of a file. What was recorded in it is safe; what cannot be tidied up, `roll` will."""
    with contextlib.suppress(sqlite3.Error, OSError, StoreError):
        try:
            if held.connection:
                held.connection.close()
                if held.file.empty():
                    held.file.remove()
        finally:
            held.lock.release()
