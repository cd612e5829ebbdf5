"""Trials: a version of a name that is tried beside the one that is served.

As a ``canary`` it answers some of the actors, and always the same ones. In the ``shadow`` it is
sent some of the requests, and nobody is shown what it answers. A name has one trial at a time. How
requests get there is not said here.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import Connection, Row, select, update

from inhouse.catalog import audit
from inhouse.catalog.database import Database, advance
from inhouse.catalog.schema import artifacts, names, trials
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, NotFound

Kind = Literal["canary", "shadow"]

OF = {"canary": "actors", "shadow": "requests"}
WHOLE = 2.0**64


@dataclass(frozen=True, slots=True)
class Trial:
    """A version that is tried, by how much, since when and by whom.

    `first` is the version it began with: when it was renewed since, over other documents, it still
    answers the same actors. Times are seconds since 1970, UTC.
    """

    ref: Ref
    kind: Kind
    percent: float
    first: str
    began: float
    actor: str

    def chooses(self, actor: str) -> bool:
        """Say whether an actor is among the `percent`; more of them only adds actors.

        Another first version chooses others. It takes about 2 microseconds.
        """
        named = f"{self.ref.path} {actor}".encode()
        digest = hashlib.blake2b(named, key=bytes.fromhex(self.first), digest_size=8).digest()
        return int.from_bytes(digest, "big") / WHOLE * 100 < self.percent


class Trials:
    """The trials of one catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def running(self) -> Sequence[Trial]:
        """Return the trials that go on, by name."""
        with self._database.read() as connection:
            return running(connection)

    def of(self, ref: Ref) -> Trial | None:
        """Return the trial of a name, if there is one."""
        with self._database.read() as connection:
            return _of(connection, ref.path)

    def versions(self, trial: Trial) -> frozenset[str]:
        """Return all versions that a trial has had, by and by, over other documents."""
        query = select(trials.c.version).where(
            trials.c.path == trial.ref.path, trials.c.began == trial.began
        )
        with self._database.read() as connection:
            return frozenset(connection.execute(query).scalars())

    def begin(self, ref: Ref, *, kind: Kind, percent: float, by: str, note: str = "") -> Trial:
        """Try a version from the next request on, instead of what is tried now.

        If it is tried in this way already, its share changes and the trial goes on.

        Raises:
            BadInput: it is served already, or the share is none.
            NotFound: it is not in the store, its bytes are gone, or nothing is served.
        """
        if not 0 < percent <= 100:
            raise BadInput(f"{percent:g} % is no share.", "Give more than 0 and at most 100.")
        with self._database.write() as connection:
            _require_other(connection, ref)
            before, now = _of(connection, ref.path), time.time()
            trial = Trial(ref, kind, percent, ref.version or "", now, by)
            said = f"{percent:g} % of the {OF[kind]}"
            if before and (before.ref, before.kind) == (ref, kind):
                trial = Trial(ref, kind, percent, before.first, before.began, by)
                note = f"before: {before.percent:g} %"
                _close(connection, ref.path)
            else:
                end(connection, ref.path, by=by, why=f"{ref} is tried instead, as {kind}")
            _open(connection, trial)
            noted = f"{said}; {note}" if note else said
            audit.write(connection, by, kind, str(ref), note=noted)
        return trial

    def renew(self, ref: Ref, *, tried: Ref, by: str) -> bool:
        """Try a version instead of `tried` as part of the same trial.

        Returns False, and changes nothing, if something else is tried by now.
        """
        with self._database.write() as connection:
            before = _of(connection, ref.path)
            if before is None or before.ref != tried:
                return False
            if _head(connection, ref) == ref.version:
                end(connection, ref.path, by=by, why="it does what is served")
                return True
            _close(connection, ref.path)
            values = (before.kind, before.percent, before.first, before.began, before.actor)
            _open(connection, Trial(ref, *values))
            note = f"goes on over other documents, before: {tried}"
            audit.write(connection, by, before.kind, str(ref), note=note)
            return True

    def end(self, ref: Ref, *, by: str, why: str) -> Trial | None:
        """End the trial of a name, from the next request on; return it, if there was one."""
        with self._database.write() as connection:
            return end(connection, ref.path, by=by, why=why)


def running(connection: Connection) -> list[Trial]:
    """Return the trials that go on, by name."""
    query = select(trials).where(trials.c.ended.is_(None)).order_by(trials.c.path)
    return [_read(row) for row in connection.execute(query)]


def end(connection: Connection, path: str, *, by: str, why: str) -> Trial | None:
    """End the trial of a name in the caller's transaction; return it, if there was one."""
    trial = _of(connection, path)
    if trial:
        _close(connection, path)
        advance(connection)
        audit.write(connection, by, f"end {trial.kind}", str(trial.ref), note=why)
    return trial


def end_of(connection: Connection, ref: Ref, *, by: str, why: str) -> None:
    """End the trial of one version, in the caller's transaction, if there is one."""
    trial = _of(connection, ref.path)
    if trial and trial.ref == ref:
        end(connection, ref.path, by=by, why=why)


def _of(connection: Connection, path: str) -> Trial | None:
    query = select(trials).where(trials.c.path == path, trials.c.ended.is_(None))
    row = connection.execute(query).one_or_none()
    return _read(row) if row else None


def _read(row: Row[Any]) -> Trial:
    ref = Ref.parse(row.path).at(row.version)
    return Trial(ref, cast(Kind, row.kind), row.percent, row.first, row.began, row.actor)


def _open(connection: Connection, trial: Trial) -> None:
    connection.execute(
        trials.insert().values(
            path=trial.ref.path,
            version=trial.ref.version,
            kind=trial.kind,
            percent=trial.percent,
            first=trial.first,
            began=trial.began,
            actor=trial.actor,
        )
    )
    advance(connection)


def _close(connection: Connection, path: str) -> None:
    change = update(trials).where(trials.c.path == path, trials.c.ended.is_(None))
    connection.execute(change.values(ended=time.time()))


def _head(connection: Connection, ref: Ref) -> str | None:
    query = select(names.c.head).where(names.c.path == ref.path)
    return connection.execute(query).scalar_one_or_none()


def _require_other(connection: Connection, ref: Ref) -> None:
    query = select(artifacts.c.gone).where(artifacts.c.version == ref.version)
    row, head = connection.execute(query).one_or_none(), _head(connection, ref)
    if row is None or row.gone or head is None:
        raise NotFound("artifact", str(ref), (), "Make it with: inhouse run")
    if head == ref.version:
        raise BadInput(
            f"{ref} is served to everybody already.",
            "Change inhouse.yaml and run, or name another version.",
        )
