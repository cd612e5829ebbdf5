"""Labels by reference along lineage: what a version demands is what its ancestors demand now.

An own label belongs to a name (``data/memos``) and holds for all its versions. A version demands
the own labels of its name and of every name it was made from, through ``carry`` edges. So
tightening a source tightens everything derived from it at the next question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import CTE, select

from inhouse.catalog.database import Database
from inhouse.catalog.schema import artifacts, edges, names
from inhouse.core.artifact import Ref
from inhouse.core.label import Clauses, Label


@dataclass(frozen=True, slots=True)
class Demands:
    """The own labels behind a version, by name, and their join."""

    own: Mapping[str, Label]
    label: Label
    need: int

    def origins(self, missing: Label) -> tuple[Ref, ...]:
        """Return the names whose own labels ask for a missing clause."""
        return tuple(
            Ref.parse(path)
            for path, own in sorted(self.own.items())
            if own.clauses & missing.clauses
        )


class Lineage:
    """Answers what versions demand, remembering the answers until the epoch moves."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.clauses = Clauses()
        self._epoch = -1
        self._known: dict[str, Demands] = {}

    def demands(self, version: str) -> Demands:
        """Return what a version demands at this moment. A name without a label is closed."""
        epoch = self._database.epoch()
        if epoch != self._epoch:
            self._known, self._epoch = {}, epoch
        known = self._known
        if version not in known:
            known[version] = self._read(version)
        return known[version]

    def _read(self, version: str) -> Demands:
        above = ancestry(version)
        query = (
            select(artifacts.c.path, names.c.label)
            .join(above, above.c.version == artifacts.c.version)
            .outerjoin(names, names.c.path == artifacts.c.path)
            .distinct()
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        own = {path: Label.parse(text) if text else Label.CLOSED for path, text in rows}
        label = Label.joined(own.values()) if own else Label.CLOSED
        return Demands(own, label, self.clauses.need(label))


def ancestry(version: str, *, carry_only: bool = True) -> CTE:
    """Return the query for a version and all its ancestors, as one column `version`."""
    start = select(artifacts.c.version).where(artifacts.c.version == version)
    above = start.cte("above", recursive=True)
    step = select(edges.c.parent).join(above, edges.c.child == above.c.version)
    if carry_only:
        step = step.where(edges.c.flow == "carry")
    return above.union(step)
