"""The audit log: one row for each change and each decision that matters, never edited."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from inhouse.catalog.database import Database
from inhouse.catalog.schema import audit


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: who did or asked what, to which thing, and whether it was allowed."""

    sequence: int
    at: float
    actor: str
    action: str
    thing: str
    allowed: bool
    note: str


def write(
    connection: Connection, actor: str, action: str, thing: str, *, allowed: bool = True, note: str
) -> None:
    """Append a row in the caller's transaction, so that a change and its record stand together."""
    connection.execute(
        audit.insert().values(
            at=time.time(), actor=actor, action=action, thing=thing, allowed=allowed, note=note
        )
    )


def read(database: Database, *, last: int = 100) -> Sequence[Entry]:
    """Return the last rows, oldest first."""
    with database.read() as connection:
        rows = connection.execute(select(audit).order_by(audit.c.sequence.desc()).limit(last))
        return [Entry(**row) for row in reversed(rows.mappings().all())]
