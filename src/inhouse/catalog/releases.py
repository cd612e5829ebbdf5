"""Releases: which version of a name is served, which one waits, and what was served before.

The bare name means the version that is served. What a release may change, and what is a new
release at all, is the project's business.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from inhouse.catalog import audit, records, trials
from inhouse.catalog.database import Database
from inhouse.catalog.schema import artifacts, candidates, names, releases
from inhouse.catalog.trials import Trial
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, NotFound


@dataclass(frozen=True, slots=True)
class Release:
    """A version that was released, by whom and when; `withdrawn` is when it was rolled back.

    If it was renewed since, `ref` is what took its place. Times are seconds since 1970, UTC.
    """

    number: int
    ref: Ref
    at: float
    actor: str
    withdrawn: float | None


class Releases:
    """The releases of one catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def candidate(self, ref: Ref) -> Ref | None:
        """Return the newest version that was made for a name, be it served or not."""
        query = select(candidates.c.version).where(candidates.c.path == ref.path)
        with self._database.read() as connection:
            version = connection.execute(query).scalar_one_or_none()
        return ref.at(version) if version else None

    def waiting(self) -> Sequence[Ref]:
        """Return the candidates that are not served, by name."""
        query = (
            select(candidates)
            .join(names, names.c.path == candidates.c.path)
            .where(names.c.head != candidates.c.version)
            .order_by(candidates.c.path)
        )
        with self._database.read() as connection:
            return [Ref.parse(row.path).at(row.version) for row in connection.execute(query)]

    def history(self, ref: Ref) -> Sequence[Release]:
        """Return all releases of a name, oldest first, with those that were rolled back."""
        query = select(releases).where(releases.c.path == ref.path)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(releases.c.number)).all()
        return [Release(r.number, ref.at(r.version), r.at, r.actor, r.withdrawn) for r in rows]

    def since(self, ref: Ref) -> float | None:
        """Return when what is served of a name was released; None if nobody ever released it."""
        standing = [release.at for release in self.history(ref) if release.withdrawn is None]
        return standing[-1] if standing else None

    def before(self, ref: Ref) -> Release:
        """Return the release that a rollback of a name goes back to.

        Raises:
            BadInput: nothing was released before.
        """
        standing = [release for release in self.history(ref) if release.withdrawn is None]
        if len(standing) < 2:
            raise BadInput(
                f"Nothing was released as {ref.path} before what is served.",
                "See what was: inhouse release --history " + ref.path,
            )
        return standing[-2]

    def offer(self, ref: Ref, *, by: str, new: bool) -> None:
        """Make a version the one that waits for its release; what is served stays as it is.

        If it is `new`, which is more than other documents, a trial of the name ends.
        """
        with self._database.write() as connection:
            _require(connection, ref)
            if new:
                trials.end(connection, ref.path, by=by, why=f"{ref} is a new candidate")
            connection.execute(delete(candidates).where(candidates.c.path == ref.path))
            connection.execute(candidates.insert().values(path=ref.path, version=ref.version))

    def release(self, ref: Ref, *, by: str, note: str = "") -> Trial | None:
        """Serve a version from the next request on; return the trial that ends with it, if any.

        Raises:
            NotFound: it is not in the store, or its bytes are gone.
        """
        with self._database.write() as connection:
            _require(connection, ref)
            now = {"path": ref.path, "version": ref.version, "at": time.time(), "actor": by}
            connection.execute(releases.insert().values(**now))
            audit.write(connection, by, "release", str(ref), note=note)
            ended = trials.end(connection, ref.path, by=by, why=f"{ref} was released")
            records.point(connection, ref, by=by)
            return ended

    def renew(self, ref: Ref, *, served: Ref, by: str) -> bool:
        """Serve a version instead of `served` as part of the same release.

        Returns False, and changes nothing, if something else is served by now.
        """
        with self._database.write() as connection:
            _require(connection, ref)
            head = select(names.c.head).where(names.c.path == ref.path)
            if connection.execute(head).scalar_one_or_none() != served.version:
                return False
            standing = select(func.max(releases.c.number)).where(
                releases.c.path == ref.path, releases.c.withdrawn.is_(None)
            )
            change = update(releases).where(releases.c.number == standing.scalar_subquery())
            connection.execute(change.values(version=ref.version))
            records.point(connection, ref, by=by)
            trials.end_of(connection, ref, by=by, why="it is what is served")
            return True

    def roll_back(self, ref: Ref, *, to: Release, by: str) -> None:
        """Withdraw all releases after one, and serve a version that stands for that one.

        Raises:
            NotFound: the version is not in the store, or its bytes are gone.
        """
        with self._database.write() as connection:
            _require(connection, ref)
            later = (releases.c.path == ref.path) & (releases.c.number > to.number)
            change = update(releases).where(later, releases.c.withdrawn.is_(None))
            connection.execute(change.values(withdrawn=time.time()))
            audit.write(connection, by, "rollback", str(ref), note=f"back to {to.ref}")
            trials.end(connection, ref.path, by=by, why=f"rolled back to {to.ref}")
            records.point(connection, ref, by=by)


def _require(connection: Connection, ref: Ref) -> None:
    query = select(artifacts.c.gone).where(artifacts.c.version == ref.version)
    row = connection.execute(query).one_or_none()
    if row is None or row.gone:
        raise NotFound("artifact", str(ref), (), "Make it with: inhouse run")
