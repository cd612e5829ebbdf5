"""The tables of the catalog and the numbered migrations that lead to them.

A migration is a function that takes a connection; once released it is never edited. What the
rows mean is said in the modules that use them.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    select,
)

SALT = "salt"

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", Integer, nullable=False),
)

names = Table(
    "names",
    metadata,
    Column("path", String, primary_key=True),
    Column("label", Text),  # the text form; NULL is closed
    Column("head", String),  # the version that the bare name means
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("version", String(64), primary_key=True),
    Column("path", String, nullable=False, index=True),
    Column("recipe", String, nullable=False),
    Column("code", Integer, nullable=False),
    Column("params", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("label", Text, nullable=False),  # at commit; the one in force follows lineage
    Column("created", Float, nullable=False),  # seconds since 1970, UTC
    Column("actor", String, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("summary", Text, nullable=False),
    Column("gone", String),  # NULL, 'collected' or 'deleted'
)

found = Table(  # what a version was found to hold adds to its label; most have no row
    "found",
    metadata,
    Column("version", String(64), ForeignKey("artifacts.version"), primary_key=True),
    Column("label", Text, nullable=False),
)

edges = Table(
    "edges",
    metadata,
    Column("child", String(64), ForeignKey("artifacts.version"), primary_key=True),
    Column("role", String, primary_key=True),
    Column("parent", String(64), ForeignKey("artifacts.version"), nullable=False, index=True),
    Column("flow", String, nullable=False),
)

files = Table(
    "files",
    metadata,
    Column("version", String(64), ForeignKey("artifacts.version"), primary_key=True),
    Column("path", String, primary_key=True),
    Column("digest", String(64), nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
)

members = Table(
    "members",
    metadata,
    Column("actor", String, primary_key=True),
    Column("group", String, primary_key=True),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("actor", String, nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float),
    Column("revoked", Float),
)

limits = Table(  # what a key is for and how much it may ask; most keys have no row
    "limits",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),  # its place among the counts
    Column("key", String, ForeignKey("keys.id"), nullable=False, unique=True),
    Column("only", Text, nullable=False),  # names with spaces between; "" is everything
    Column("requests_per_minute", Integer),
    Column("tokens_per_day", BigInteger),
    Column("concurrent", Integer),
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("thing", String, nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("note", Text, nullable=False),
)

releases = Table(
    "releases",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("path", String, nullable=False, index=True),
    Column("version", String(64), nullable=False),
    Column("at", Float, nullable=False),
    Column("actor", String, nullable=False),
    Column("withdrawn", Float),  # when it was rolled back
)

candidates = Table(  # the newest version that was made for a name that is released by hand
    "candidates",
    metadata,
    Column("path", String, primary_key=True),
    Column("version", String(64), nullable=False),
)

trials = Table(  # one row for each version and share that a trial has had; the last is not ended
    "trials",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("path", String, nullable=False, index=True),
    Column("version", String(64), nullable=False),
    Column("kind", String, nullable=False),
    Column("percent", Float, nullable=False),
    Column("first", String(64), nullable=False),  # the version that the trial began with
    Column("began", Float, nullable=False),  # when it did
    Column("actor", String, nullable=False),
    Column("ended", Float, index=True),
)

sources = Table(  # what a file's digest was when it had this size and time
    "sources",
    metadata,
    Column("path", String, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("modified", BigInteger, nullable=False),  # nanoseconds
    Column("digest", String(64), nullable=False),
)

contents = Table(  # when a file that was seen to hold this for the first time was modified
    "contents",
    metadata,
    Column("path", String, primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("modified", Float, nullable=False),  # seconds since 1970, UTC
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)


def _first(connection: Connection) -> None:
    metadata.create_all(connection)
    connection.execute(meta.insert().values(key="epoch", value=0))


def _releases(connection: Connection) -> None:
    metadata.create_all(connection, tables=[releases, candidates])
    served = select(names.c.path, names.c.head, artifacts.c.created, artifacts.c.actor)
    served = served.join(artifacts, artifacts.c.version == names.c.head)
    columns = ("path", "version", "at", "actor")
    endpoints = served.where(names.c.path.startswith("endpoints/"))
    connection.execute(releases.insert().from_select(columns, endpoints))


def _salt(connection: Connection) -> None:
    metadata.create_all(connection, tables=[secrets])
    connection.execute(secrets.insert().values(name=SALT, value=os.urandom(32)))


def _trials(connection: Connection) -> None:
    metadata.create_all(connection, tables=[trials])


def _limits(connection: Connection) -> None:
    metadata.create_all(connection, tables=[limits])


def _contents(connection: Connection) -> None:
    metadata.create_all(connection, tables=[contents])


def _found(connection: Connection) -> None:
    metadata.create_all(connection, tables=[found])


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (
    _first,
    _releases,
    _salt,
    _trials,
    _limits,
    _contents,
    _found,
)
