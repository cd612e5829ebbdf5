"""Garbage collection: removes the bytes that nothing current needs, and never a row."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from filelock import Timeout
from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Select,
    false,
    func,
    select,
    true,
    union_all,
    update,
)

from inhouse.catalog import audit
from inhouse.catalog.blobs import Blobs
from inhouse.catalog.database import Database, advance
from inhouse.catalog.schema import artifacts, candidates, edges, files, names, releases, trials
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed, or would be: artifacts, and bytes on disk."""

    artifacts: tuple[Ref, ...]
    bytes: int


def collect(
    database: Database, blobs: Blobs, *, by: str, dry: bool, wanted: Collection[str] | None
) -> Collected:
    """Remove the bytes of versions that no name points to and nothing current was made from.

    What waits for a release is current, and so are what is tried and what a rollback goes back to.
    Unfinished work goes as well, but for that on versions that are `wanted`; None keeps it all.

    Raises:
        BadInput: something is being made at this moment.
    """
    # Held to the end: a commit in between could count on a blob that is about to go.
    with blobs.lock("commit"):
        _refuse_while_making(blobs)
        with database.write() as connection:
            needed = _needed()
            kept = select(artifacts.c.version, artifacts.c.digest).where(
                artifacts.c.version.in_(select(needed.c.version)), artifacts.c.gone.is_(None)
            )
            rows = connection.execute(kept).all()
            dropped = _dropped(connection, needed)
            digests = connection.execute(
                select(files.c.digest)
                .join(artifacts, artifacts.c.version == files.c.version)
                .where(files.c.version.in_(select(needed.c.version)), artifacts.c.gone.is_(None))
            ).scalars()
            keep_blobs = set(digests)
            if dropped and not dry:
                change = update(artifacts).where(*_unneeded(needed))
                connection.execute(change.values(gone="collected"))
                advance(connection)
                note = ", ".join(str(ref) for ref in dropped)
                audit.write(connection, by, "collect", "store", note=note)
        # Done is what was cut off between its transaction and tidying up.
        done = {row.version for row in rows} | {ref.version for ref in dropped}
        freed = 0
        for version in blobs.unfinished_versions():
            if version in done or (wanted is not None and version not in wanted):
                freed += blobs.discard(version, dry=dry)
        freed += blobs.sweep(keep_blobs, {row.digest for row in rows}, dry=dry)
        if not dry:
            blobs.sweep_locks(but="commit")
    return Collected(dropped, freed)


def _needed() -> CTE:
    heads = select(names.c.head.label("version"), true().label("whole"))
    waiting = select(candidates.c.version, true())
    tried = select(trials.c.version, true()).where(trials.c.ended.is_(None))
    start = union_all(heads.where(names.c.head.is_not(None)), waiting, tried, _released_before())
    needed = select(start.subquery()).cte("needed", recursive=True)
    step = select(edges.c.parent, needed.c.whole).join(needed, edges.c.child == needed.c.version)
    asked = (edges.c.flow == "filter") & needed.c.whole
    return needed.union(step.where((edges.c.flow == "carry") | asked))


def _released_before() -> Select[Any]:
    """Return what a rollback goes back to, without what it asks item by item.

    It gets the documents of what is served, so those that were deleted since need not be kept.
    """
    newest = func.row_number().over(partition_by=releases.c.path, order_by=releases.c.number.desc())
    ranked = (
        select(releases.c.version, newest.label("place"))
        .join(names, names.c.path == releases.c.path)
        .where(releases.c.withdrawn.is_(None), names.c.head.is_not(None))
        .subquery()
    )
    return select(ranked.c.version, false()).where(ranked.c.place == 2)


def _dropped(connection: Connection, needed: CTE) -> tuple[Ref, ...]:
    query = select(artifacts.c.path, artifacts.c.version).where(*_unneeded(needed))
    return tuple(Ref.parse(row.path).at(row.version) for row in connection.execute(query))


def _unneeded(needed: CTE) -> tuple[ColumnElement[bool], ...]:
    return artifacts.c.version.not_in(select(needed.c.version)), artifacts.c.gone.is_(None)


def _refuse_while_making(blobs: Blobs) -> None:
    for version in blobs.unfinished_versions():
        lock = blobs.lock(version)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise BadInput(
                f"Version {version[:8]} is being made at this moment.", "Wait until it is done."
            ) from None
        lock.release()
