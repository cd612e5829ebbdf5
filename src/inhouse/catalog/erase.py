"""Erasure: takes bytes away at once, where waiting for the next `collect` would not do."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, select

from inhouse.catalog import records
from inhouse.catalog.blobs import Blobs
from inhouse.catalog.database import Database
from inhouse.catalog.schema import artifacts, files
from inhouse.core.artifact import Artifact


def erase(database: Database, blobs: Blobs, artifact: Artifact, *, by: str) -> None:
    """Delete a version with its bytes, but for those that another version has too.

    The bytes go first: cut off, it leaves a version that is still on record, to be erased again.
    """
    version = artifact.ref.version or ""
    with blobs.lock("commit"), database.write() as connection:
        wanted = {file.digest for file in artifact.files.values()}
        blobs.remove(wanted - _elsewhere(connection, wanted, version), artifact.digest)
        if artifact.gone != "deleted":
            records.bury(connection, artifact.ref, by=by)


def abandon(database: Database, blobs: Blobs, version: str) -> None:
    """Throw away the unfinished work on a version, with the bytes it had put into the store."""
    if not blobs.unfinished(version):
        return
    with blobs.lock(version), blobs.lock("commit"), database.read() as connection:
        found = {file.digest for file in blobs.measure(blobs.work(version)).values()}
        blobs.remove(found - _elsewhere(connection, found, ""))
        blobs.discard(version)


def _elsewhere(connection: Connection, wanted: Collection[str], version: str) -> set[str]:
    """Return which of the digests another version needs that is not gone."""
    query = select(files.c.digest).join(artifacts, artifacts.c.version == files.c.version)
    others = query.where(artifacts.c.gone.is_(None), artifacts.c.version != version)
    return set(connection.execute(others.where(files.c.digest.in_(wanted))).scalars())
