"""Labels: who may see a thing, as an algebra that only ever tightens when things are joined.

A label is a set of clauses (conjunctive normal form without negation); a clause is a set of
groups of which the reader needs at least one: ``hr|legal & buy-side``. Joining two labels keeps
the demands of both (Denning's lattice, doi:10.1145/360051.360056). Where labels are stored and
how they flow along lineage is the catalog's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import reduce
from threading import Lock
from typing import ClassVar

from inhouse.core.errors import BadInput

GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*\Z")
RESERVED = ("open", "closed")

Clause = frozenset[str]


@dataclass(frozen=True, slots=True)
class Label:
    """What a reader must hold: at least one group of every clause.

    No clause at all is `Label.OPEN` (everyone); one empty clause is `Label.CLOSED` (nobody).
    Clauses that contain a smaller clause are absorbed, so equal demands are equal labels.

    Raises:
        BadInput: a group has a name that the text form could not carry.
    """

    clauses: frozenset[Clause] = frozenset()

    OPEN: ClassVar[Label]
    CLOSED: ClassVar[Label]

    def __post_init__(self) -> None:
        kept = frozenset(c for c in self.clauses if not any(d < c for d in self.clauses))
        for group in frozenset[str]().union(*kept):
            check_group(group)
        object.__setattr__(self, "clauses", kept)

    @classmethod
    def parse(cls, text: str) -> Label:
        """Read the text form: ``open``, ``closed``, or groups joined by ``|`` (any of) and ``&``.

        Braces around a clause and ``∧`` for ``&`` are accepted.

        Raises:
            BadInput: a clause is empty or a group name has characters a name cannot have.
        """
        stripped = text.strip()
        if stripped in RESERVED:
            return cls.OPEN if stripped == "open" else cls.CLOSED
        return cls(frozenset(_parse_clause(part, text) for part in re.split(r"[&∧]", stripped)))

    @classmethod
    def joined(cls, labels: Iterable[Label]) -> Label:
        """Return the join of any number of labels; of none, `OPEN`."""
        return reduce(cls.join, labels, cls.OPEN)

    def join(self, other: Label) -> Label:
        """Return the label that demands what both demand."""
        if self.clauses >= other.clauses:
            return self
        if not self.clauses:
            return other
        return Label(self.clauses | other.clauses)

    def admits(self, groups: Set[str]) -> bool:
        """Say whether somebody in `groups` may see what carries this label."""
        return all(not clause.isdisjoint(groups) for clause in self.clauses)

    def missing(self, groups: Set[str]) -> Label:
        """Return the part of the label that `groups` does not meet."""
        return Label(frozenset(c for c in self.clauses if c.isdisjoint(groups)))

    def __str__(self) -> str:
        if not self.clauses:
            return "open"
        if frozenset() in self.clauses:
            return "closed"
        return " & ".join(sorted("|".join(sorted(clause)) for clause in self.clauses))


Label.OPEN = Label()
Label.CLOSED = Label(frozenset({frozenset()}))


def check_group(name: str) -> str:
    """Return `name` if it can name a group.

    Raises:
        BadInput: it is reserved or has characters that the text form of a label uses.
    """
    if name in RESERVED or not GROUP.match(name):
        raise BadInput(
            f"{name!r} cannot name a group.",
            "Use letters, digits, '.', '_' and '-', and neither 'open' nor 'closed'.",
        )
    return name


def _parse_clause(part: str, whole: str) -> Clause:
    inner = part.strip().removeprefix("{").removesuffix("}")
    groups = [g.strip() for g in inner.split("|")]
    if not all(groups):
        raise BadInput(
            f"The label {whole!r} has an empty place in it.",
            "Write groups joined by '|' (any of) and '&' (all of), such as 'hr|legal & buy-side'.",
        )
    return frozenset(groups)


class Clauses:
    """Interned clauses as bits, so that checking a label is one mask on the hot path.

    A label becomes the set of clause bits it needs, a set of groups the bits it meets.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._bits: dict[Clause, int] = {}
        self._met: dict[frozenset[str], tuple[int, int]] = {}

    def need(self, label: Label) -> int:
        """Return the bits of the label's clauses, interning the new ones."""
        with self._lock:
            bits = 0
            for clause in label.clauses:
                bits |= 1 << self._bits.setdefault(clause, len(self._bits))
            return bits

    def admits(self, groups: frozenset[str], need: int) -> bool:
        """Say whether `groups` meets every clause in `need`."""
        known = self._met.get(groups)
        if known is None or known[0] != len(self._bits):
            with self._lock:
                met = sum(1 << i for c, i in self._bits.items() if not c.isdisjoint(groups))
                known = self._met[groups] = (len(self._bits), met)
        return not need & ~known[1]
