"""Digests of files outside the store, remembered by size and time so that asking again is quick.

Since when a file holds what it holds is remembered as well, so that touching it changes nothing.
And the salt of what is made of them: without it, a version would tell whoever sees it whether a
file that they may not read is the one they guess.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from inhouse.catalog.blobs import sha256
from inhouse.catalog.database import Database
from inhouse.catalog.schema import SALT, contents, secrets, sources
from inhouse.core.errors import BadInput
from inhouse.core.nouns import YEAR_10000

SETTLED_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Digests:
    """The sha256 of files, in the order asked for, and why others cannot be read."""

    found: Mapping[Path, str]
    unread: Mapping[Path, str]

    def all(self) -> Sequence[str]:
        """Return the digests of all files.

        Raises:
            BadInput: one is gone by now, or cannot be read.
        """
        for path, reason in self.unread.items():
            raise BadInput(
                f"{path} cannot be read: {reason}.", "Make it readable, or leave it out."
            )
        return list(self.found.values())


def fingerprint(database: Database, paths: Sequence[Path]) -> Digests:
    """Return the sha256 of each file, reading only those whose size or time has changed.

    A file changed within the last two seconds is read every time, since a second change could
    leave both size and time as they were. Its time is that of its bytes or of its entry, whichever
    is later: copying with times preserved sets the first back, never the second.
    """
    with database.read() as connection:
        known = {row.path: row for row in connection.execute(select(sources))}
    digests: dict[Path, str] = {}
    unread: dict[Path, str] = {}
    fresh = []
    for path in paths:
        try:
            name, size, changed = _look(path)
            row = known.get(name)
            same = row is not None and (row.size, row.modified) == (size, changed)
            digest = row.digest if row and same else sha256(path)
        except OSError as error:
            unread[path] = error.strerror or type(error).__name__
            continue
        digests[path] = digest
        if not same and time.time() - changed / 1e9 > SETTLED_SECONDS:
            fresh.append({"path": name, "size": size, "modified": changed, "digest": digest})
    if fresh:
        change = insert(sources)
        update = {name: change.excluded[name] for name in ("size", "modified", "digest")}
        with database.write() as connection:
            connection.execute(
                change.on_conflict_do_update(index_elements=["path"], set_=update), fresh
            )
    return Digests(digests, unread)


def modified(
    database: Database, files: Sequence[tuple[str, str]], root: Path
) -> Mapping[str, float]:
    """Return since when files hold what they do, in seconds since 1970; 0.0 if unknown.

    That is the time of a file when it was first seen to hold this. It stays the same in a store,
    whatever touches, copies or moves the file later on.

    Args:
        database: where it is remembered.
        files: path below `root`, or an absolute one, and sha256 of each.
        root: folder of the project.
    """
    with database.read() as connection:
        known = _moments(connection)
    new = [file for file in files if file not in known]
    if new:
        rows = [{"path": p, "digest": d, "modified": _moment(root / p)} for p, d in new]
        with database.write() as connection:
            connection.execute(insert(contents).on_conflict_do_nothing(), rows)
            known = _moments(connection)  # another process may have been first
    return {path: known[path, digest] for path, digest in files}


def _moments(connection: Connection) -> dict[tuple[str, str], float]:
    return {(row.path, row.digest): row.modified for row in connection.execute(select(contents))}


def _moment(path: Path) -> float:
    try:
        at = path.stat().st_mtime
    except OSError:
        return 0.0  # it is gone by now, so nothing will be made of it
    return at if 0 < at < YEAR_10000 else 0.0


def salt(database: Database, path: str) -> str:
    """Return 64 hexadecimal digits that belong to a name of this store, and tell of no other."""
    query = select(secrets.c.value).where(secrets.c.name == SALT)
    with database.read() as connection:
        secret = connection.execute(query).scalar_one()
    return hmac.digest(secret, path.encode(), "sha256").hex()


def _look(path: Path) -> tuple[str, int, int]:
    """Return where a file lies, its size, and when it changed."""
    stat = path.stat()
    return str(path.resolve()), stat.st_size, max(stat.st_mtime_ns, stat.st_ctime_ns)
