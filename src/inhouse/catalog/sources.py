"""Digests of files outside the store, remembered by size and time so that asking again is quick."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from inhouse.catalog.blobs import sha256
from inhouse.catalog.database import Database
from inhouse.catalog.schema import sources

SETTLED_SECONDS = 2.0


def fingerprint(database: Database, paths: Sequence[Path]) -> list[str]:
    """Return the sha256 of each file, reading only those whose size or time has changed.

    A file changed within the last two seconds is read every time, since a second change could
    leave both size and time as they were. Its time is that of its bytes or of its entry, whichever
    is later: copying with times preserved sets the first back, never the second.
    """
    with database.read() as connection:
        known = {row.path: row for row in connection.execute(select(sources))}
    digests, fresh = [], []
    for path in paths:
        stat, name = path.stat(), str(path.resolve())
        changed = max(stat.st_mtime_ns, stat.st_ctime_ns)
        row = known.get(name)
        if row and row.size == stat.st_size and row.modified == changed:
            digests.append(row.digest)
            continue
        digest = sha256(path)
        digests.append(digest)
        if time.time() - changed / 1e9 > SETTLED_SECONDS:
            values = {"size": stat.st_size, "modified": changed, "digest": digest}
            fresh.append({"path": name, **values})
    if fresh:
        change = insert(sources)
        update = {name: change.excluded[name] for name in ("size", "modified", "digest")}
        with database.write() as connection:
            connection.execute(
                change.on_conflict_do_update(index_elements=["path"], set_=update), fresh
            )
    return digests
