"""API keys: shown once, stored as a hash, each standing for one actor."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from inhouse.catalog import audit
from inhouse.catalog.database import Database, advance
from inhouse.catalog.lineage import Lineage
from inhouse.catalog.schema import keys
from inhouse.core.errors import BadInput, BadKey, NotFound

PREFIX = "ih-"


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key: never the key itself. Times in seconds since 1970 (UTC)."""

    id: str
    actor: str
    created: float
    expires: float | None
    revoked: float | None


class Keys:
    """The keys of one catalog."""

    def __init__(self, database: Database, lineage: Lineage) -> None:
        self._database = database
        self._lineage = lineage

    def create(self, actor: str, *, by: str, days: float | None = None) -> tuple[Key, str]:
        """Make a key for an actor and return it with its secret, which is nowhere stored.

        The secret has 256 random bits, so a plain SHA-256 of it cannot be searched.

        Raises:
            BadInput: the actor's name is empty or `days` is not positive.
        """
        if not actor.strip():
            raise BadInput("A key needs an actor.", "Name one with --actor.")
        if days is not None and days <= 0:
            raise BadInput(f"A key cannot last {days} days.", "Give a number above 0.")
        secret = PREFIX + secrets.token_urlsafe(32)
        now = time.time()
        key = Key(secrets.token_hex(4), actor, now, now + days * 86400 if days else None, None)
        with self._database.write() as connection:
            connection.execute(
                keys.insert().values(
                    id=key.id, hash=_hash(secret), actor=actor, created=now, expires=key.expires
                )
            )
            audit.write(connection, by, "create key", f"key {key.id}", note=f"for {actor}")
        return key, secret

    def list(self) -> Sequence[Key]:
        """Return all keys, oldest first."""
        query = select(*(keys.c[f] for f in Key.__dataclass_fields__)).order_by(keys.c.created)
        with self._database.read() as connection:
            return [Key(**row) for row in connection.execute(query).mappings()]

    def revoke(self, id: str, *, by: str) -> None:
        """Make a key useless from the next request on.

        Raises:
            NotFound: there is no key with that id.
        """
        change = keys.update().where(keys.c.id == id).values(revoked=time.time())
        with self._database.write() as connection:
            if connection.execute(change).rowcount == 0:
                known = connection.execute(select(keys.c.id)).scalars().all()
                raise NotFound("key", id, known)
            advance(connection)
            audit.write(connection, by, "revoke key", f"key {id}", note="")

    def actor_of(self, secret: str) -> str:
        """Return whose key this is.

        Raises:
            BadKey: it is unknown, expired or revoked.
        """
        row = self._lineage.now().key(_hash(secret))
        if row is None:
            raise BadKey("This API key is not known here.", "Ask for one: inhouse keys create.")
        if row.revoked is not None:
            raise BadKey("This API key was revoked.", "Ask for a new one.")
        if row.expires is not None and row.expires < time.time():
            raise BadKey("This API key has expired.", "Ask for a new one.")
        return str(row.actor)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
