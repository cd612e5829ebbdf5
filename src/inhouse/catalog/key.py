"""What is known of an API key: whose it is, until when, what for, and how much it may ask.

Making and finding keys is in `inhouse.catalog.keys`, what was spent in `inhouse.catalog.spending`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from inhouse.catalog.schema import keys, limits
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, BadKey

SECTIONS = ("endpoints", "knowledge", "models")
MOST_AT_ONCE = 10_000
FIELDS = (
    *(keys.c[name] for name in ("id", "actor", "created", "expires", "revoked")),
    *(limits.c[name] for name in ("number", "only")),
    *(limits.c[name] for name in ("requests_per_minute", "tokens_per_day", "concurrent")),
)
"""The columns that a key is read from."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a key may ask; None is no limit. A day is one in UTC."""

    requests_per_minute: int | None = None
    tokens_per_day: int | None = None
    concurrent: int | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            wanted = getattr(self, name)
            if wanted is not None and wanted < 1:
                raise BadInput(f"A key cannot have {wanted} {_words(name)}.", "Give 1 or more.")
        if (self.concurrent or 0) > MOST_AT_ONCE:
            raise BadInput(
                f"A key cannot have {self.concurrent} requests at once.",
                f"Give up to {MOST_AT_ONCE}, or no limit.",
            )

    def __bool__(self) -> bool:
        return self != UNLIMITED

    def __str__(self) -> str:
        asked = ((name, getattr(self, name)) for name in self.__slots__)
        return ", ".join(f"{value} {_words(name)}" for name, value in asked if value) or "no limits"


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key: never the key itself. Times in seconds since 1970 (UTC).

    `only` names what it is for, as `core.access.Actor` has it; `number` is its place among the
    counts of what was spent.
    """

    id: str
    actor: str
    created: float
    expires: float | None
    revoked: float | None
    number: int = 0
    only: tuple[str, ...] = ()
    limits: Limits = UNLIMITED
    limited: bool = False

    @classmethod
    def of(cls, row: Row[Any]) -> Key:
        """Return the key that a row of `FIELDS` tells of."""
        allowed = Limits(row.requests_per_minute, row.tokens_per_day, row.concurrent)
        return cls(
            id=row.id,
            actor=row.actor,
            created=row.created,
            expires=row.expires,
            revoked=row.revoked,
            number=row.number or 0,
            only=tuple((row.only or "").split()),
            limits=allowed,
            limited=bool(allowed),
        )

    def require(self) -> None:
        """Do nothing if the key is good.

        Raises:
            BadKey: it is expired or revoked.
        """
        if self.revoked is not None:
            raise BadKey("This API key was revoked.", "Ask for a new one.")
        if self.expires is not None and self.expires < time.time():
            raise BadKey("This API key has expired.", "Ask for a new one.")


def check_only(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a key shall be for, each name once and in order.

    Raises:
        BadInput: something is neither a section nor the name of a thing that is used or searched.
    """
    for name in names:
        section, _, rest = name.partition("/")
        if section not in SECTIONS or (rest and Ref.parse(name).version) or name.endswith("/"):
            raise BadInput(
                f"A key cannot be only for {name!r}.",
                f"Write one of {', '.join(SECTIONS)}, or a name such as endpoints/desk.",
            )
    return tuple(sorted(set(names)))


def _words(name: str) -> str:
    return "requests at once" if name == "concurrent" else name.replace("_", " ")
