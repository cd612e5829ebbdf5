"""API keys: shown once, stored as a hash, each standing for one actor."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence

from sqlalchemy import Connection, select

from inhouse.catalog import audit
from inhouse.catalog.database import Database, advance
from inhouse.catalog.key import FIELDS, UNLIMITED, Key, Limits, check_only
from inhouse.catalog.lineage import Lineage, Moment
from inhouse.catalog.schema import keys, limits
from inhouse.core.access import Actor
from inhouse.core.errors import BadInput, BadKey, NotFound

PREFIX = "ih-"


class Keys:
    """The keys of one catalog."""

    def __init__(self, database: Database, lineage: Lineage) -> None:
        self._database = database
        self._lineage = lineage

    def create(
        self,
        actor: str,
        *,
        by: str,
        days: float | None = None,
        only: tuple[str, ...] = (),
        allowed: Limits = UNLIMITED,
    ) -> tuple[Key, str]:
        """Make a key for an actor and return it with its secret, which is nowhere stored.

        It is `only` for some endpoints, knowledge bases and embedders, or for whole sections of
        them, and may ask no more than is `allowed`. The secret has 256 random bits, so a plain
        SHA-256 of it cannot be searched.

        Raises:
            BadInput: the actor's name is empty, `days` is not positive, or a key cannot be `only`
                for such a thing.
        """
        if not actor.strip():
            raise BadInput("A key needs an actor.", "Name one with --actor.")
        if days is not None and days <= 0:
            raise BadInput(f"A key cannot last {days} days.", "Give a number above 0.")
        only = check_only(only)
        secret, id = PREFIX + secrets.token_urlsafe(32), secrets.token_hex(4)
        now = time.time()
        expires = now + days * 86400 if days else None
        with self._database.write() as connection:
            connection.execute(
                keys.insert().values(
                    id=id, hash=_hash(secret), actor=actor, created=now, expires=expires
                )
            )
            _limit(connection, id, only, allowed)
            note = f"for {actor}" + _told(only, allowed)
            audit.write(connection, by, "create key", f"key {id}", note=note)
            return _read(connection, id), secret

    def get(self, id: str) -> Key:
        """Return what is known of the key with an id.

        Raises:
            NotFound: there is none.
        """
        with self._database.read() as connection:
            return _read(connection, id)

    def change(
        self,
        id: str,
        *,
        by: str,
        only: tuple[str, ...] | None = None,
        allowed: Limits | None = None,
    ) -> Key:
        """Change what a key is for, or how much it may ask, from the next request on.

        What is None stays as it is.

        Raises:
            NotFound: there is no key with that id.
            BadInput: a key cannot be `only` for such a thing.
        """
        with self._database.write() as connection:
            before = _read(connection, id)
            only = before.only if only is None else check_only(only)
            allowed = before.limits if allowed is None else allowed
            _limit(connection, id, only, allowed)
            advance(connection)
            note = _told(only, allowed).removeprefix(", ") or "no limits"
            audit.write(connection, by, "change key", f"key {id}", note=note)
            return _read(connection, id)

    def list(self) -> Sequence[Key]:
        """Return all keys, oldest first."""
        query = select(*FIELDS).outerjoin_from(keys, limits).order_by(keys.c.created)
        with self._database.read() as connection:
            return [Key.of(row) for row in connection.execute(query)]

    def revoke(self, id: str, *, by: str) -> None:
        """Make a key useless from the next request on.

        Raises:
            NotFound: there is no key with that id.
        """
        with self._database.write() as connection:
            _read(connection, id)
            connection.execute(keys.update().where(keys.c.id == id).values(revoked=time.time()))
            advance(connection)
            audit.write(connection, by, "revoke key", f"key {id}", note="")

    def of(self, secret: str, now: Moment | None = None) -> tuple[Key, Actor]:
        """Return what is known of a key, and who comes with it, with the groups held now.

        With a moment at hand, it is what was known and held then.

        Raises:
            BadKey: it is unknown, expired or revoked.
        """
        now = now or self._lineage.now()
        key = now.key(_hash(secret))
        if key is None:
            raise BadKey("This API key is not known here.", "Ask for one: inhouse keys create.")
        key.require()
        return key, Actor(key.actor, now.groups(key.actor), key.only)

    def actor_of(self, secret: str) -> str:
        """Return whose key this is.

        Raises:
            BadKey: it is unknown, expired or revoked.
        """
        return self.of(secret)[0].actor


def _read(connection: Connection, id: str) -> Key:
    query = select(*FIELDS).outerjoin_from(keys, limits).where(keys.c.id == id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound("key", id, connection.execute(select(keys.c.id)).scalars().all())
    return Key.of(row)


def _limit(connection: Connection, id: str, only: tuple[str, ...], allowed: Limits) -> None:
    """Write down what a key is for and how much it may ask; its number stays."""
    values = {
        "only": " ".join(only),
        "requests_per_minute": allowed.requests_per_minute,
        "tokens_per_day": allowed.tokens_per_day,
        "concurrent": allowed.concurrent,
    }
    changed = connection.execute(limits.update().where(limits.c.key == id).values(**values))
    if changed.rowcount == 0 and (only or allowed):
        connection.execute(limits.insert().values(key=id, **values))


def _told(only: tuple[str, ...], allowed: Limits) -> str:
    told = f", only for {' '.join(only)}" if only else ""
    return told + (f", {allowed}" if allowed else "")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
