"""The days: the rows of all files and rolled days together, each trace once, by time."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inhouse.catalog import Catalog
from inhouse.core.artifact import Artifact, Ref
from inhouse.core.errors import Corrupt, NotFound
from inhouse.observe import rolled
from inhouse.observe.dayfile import DayFile, day_files, select
from inhouse.observe.rows import DAY_SECONDS, Row, start_of
from inhouse.observe.wanted import Wanted

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

SECTION = "traces"
FILES = "files"


@dataclass(frozen=True, slots=True)
class Opened:
    """A day opened for reading: its rolled file if it has one, and those still to be rolled.

    `unfinished` is what to call the open rows of each connection: cut off, if its worker is dead.
    """

    parquet: ParquetFile | None
    connections: Sequence[sqlite3.Connection]
    unfinished: Sequence[str]

    def rows(self, wanted: Wanted, *, newest_first: bool = True) -> Iterator[Row]:
        """Yield the wanted rows by time."""
        streams = [
            self._once(
                connection, select(connection, wanted, unfinished=u, newest_first=newest_first)
            )
            for connection, u in zip(self.connections, self.unfinished, strict=True)
        ]
        if self.parquet:
            kept = rolled.read(self.parquet, wanted, newest_first=newest_first)
            streams.append(self._once(None, kept))
        return heapq.merge(*streams, key=lambda row: (row.at, row.id), reverse=newest_first)

    def _once(self, own: sqlite3.Connection | None, rows: Iterator[Row]) -> Iterator[Row]:
        """Leave out what another file tells the end of: its own was let go before that came."""
        others = [connection for connection in self.connections if connection is not own]
        query = "SELECT 1 FROM traces WHERE id = ? AND state != 'open'"
        for row in rows:
            cut_off = row.state in ("open", "aborted")
            if cut_off and any(other.execute(query, [row.id]).fetchone() for other in others):
                continue
            yield row


def days(catalog: Catalog, folder: Path, wanted: Wanted) -> list[str]:
    """Return the days that may hold something wanted, the last one first."""
    known = {file.day for file in day_files(folder)}
    known |= {ref.name for ref in catalog.heads(SECTION)}
    starts = {day: start_of(day) for day in known}
    return [
        day
        for day in sorted(known, reverse=True)
        if wanted.covers(starts[day], starts[day] + DAY_SECONDS)
    ]


def rows(catalog: Catalog, folder: Path, wanted: Wanted) -> Generator[Row, None, None]:
    """Yield the wanted rows of all days, the last one first."""
    for day in days(catalog, folder, wanted):
        with opened(catalog, folder, day) as it:
            yield from it.rows(wanted)


@contextmanager
def opened(catalog: Catalog, folder: Path, day: str) -> Iterator[Opened]:
    """Open a day as it is at this moment, also while it is being rolled up."""
    with ExitStack() as held:
        yield _open(catalog, folder, day, held)


def unrolled(files: Sequence[DayFile], artifact: Artifact | None) -> list[DayFile]:
    """Return those files of a day whose rows are not in its rolled version."""
    already = artifact.summary[FILES] if artifact else ()
    return [file for file in files if file.name not in already]


def _open(catalog: Catalog, folder: Path, day: str, held: ExitStack) -> Opened:
    while True:
        # In this order: a file that goes away in between is in the version found after it.
        there = day_files(folder, day)
        artifact = catalog.find(Ref(SECTION, day))
        connections, unfinished = [], []
        files = unrolled(there, artifact)
        parquet = _parquet(catalog, artifact, held) if artifact else None
        for file in files:
            dead = not file.alive()
            connection = file.open()
            if connection is not None:
                connections.append(held.enter_context(closing(connection)))
                unfinished.append("aborted" if dead else "open")
        if len(connections) == len(files) and (parquet or not artifact):
            return Opened(parquet, connections, unfinished)
        held.close()  # one was rolled up, or the version replaced or deleted meanwhile: look again


def _parquet(catalog: Catalog, artifact: Artifact, held: ExitStack) -> ParquetFile | None:
    """Open the rolled file of a day; None if that version is no longer the day's.

    Raises:
        Corrupt: it is, and its bytes have changed.
    """
    try:
        folder = catalog.load(artifact.ref, again=False).folder
        return held.enter_context(rolled.opened(folder / rolled.FILE))
    except (NotFound, Corrupt, FileNotFoundError):
        # Bytes go before the version does, under this lock: without it, both look damaged.
        with catalog.blobs.lock("commit"):
            now = catalog.find(Ref(SECTION, artifact.ref.name))
        if now and now.ref == artifact.ref:
            raise
        return None
