"""Labels by reference along lineage: what a version demands is what its ancestors demand now.

An own label belongs to a name (``data/memos``) and holds for all its versions; what a version was
found to hold adds to it for that version. A version demands the own labels of its name and of every
name above it, through all but ``filter`` edges, with what was found in each. So tightening a source
tightens everything derived from it at the next question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, select

from inhouse.catalog.database import Database
from inhouse.catalog.key import FIELDS, Key
from inhouse.catalog.schema import artifacts, edges, found, keys, limits, members, names
from inhouse.catalog.trials import Trial, running
from inhouse.core.artifact import Ref
from inhouse.core.label import Clauses, Label


@dataclass(frozen=True, slots=True)
class Demands:
    """The own labels behind a version, by name, with what was found; and their join."""

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


@dataclass(frozen=True, slots=True)
class State:
    """The full version behind a reference, and whether it was 'collected' or 'deleted'."""

    version: str
    gone: str | None


class Lineage:
    """Gives what references mean and demand at this moment."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.clauses = Clauses()
        self._last = Moment(database, self.clauses, epoch=-1)

    def now(self) -> Moment:
        """Return what holds now; it is kept, with all that was read, until the epoch moves."""
        epoch = self._database.epoch()
        last = self._last
        if epoch != last.epoch:
            last = self._last = Moment(self._database, self.clauses, epoch=epoch)
        return last

    @property
    def latest(self) -> Moment:
        """What held when somebody last asked: for who has just done so, without asking again."""
        return self._last


class Moment:
    """What references, names and keys mean in one epoch, read when it is first asked for."""

    def __init__(self, database: Database, clauses: Clauses, *, epoch: int) -> None:
        self.epoch = epoch
        self._database = database
        self._clauses = clauses
        self._demands: dict[str, Demands] = {}
        self._by_item: dict[str, Demands] = {}
        self._found: dict[str, Label] = {}
        self._states: dict[Ref, State] = {}
        self._sources: dict[str, tuple[Ref, ...]] = {}
        self._items: dict[str, tuple[Ref, ...]] = {}
        self._groups: dict[str, frozenset[str]] = {}
        self._keys: dict[str, Key] = {}
        self._trials: dict[str, Trial] | None = None

    def groups(self, actor: str) -> frozenset[str]:
        """Return the groups that an actor holds; a stranger holds none."""
        if actor not in self._groups:
            query = select(members.c.group).where(members.c.actor == actor)
            with self._database.read() as connection:
                self._groups[actor] = frozenset(connection.execute(query).scalars())
        return self._groups[actor]

    def key(self, hash: str) -> Key | None:
        """Return what is known of the key with that hash, or None if there is none."""
        if hash not in self._keys:
            query = select(*FIELDS).outerjoin_from(keys, limits).where(keys.c.hash == hash)
            with self._database.read() as connection:
                row = connection.execute(query).one_or_none()
            if row is None:
                return None  # not remembered: there is no end of wrong keys
            self._keys[hash] = Key.of(row)
        return self._keys[hash]

    def state(self, ref: Ref) -> State | None:
        """Return the one version a reference means, or None if it means none or several."""
        if ref not in self._states:
            with self._database.read() as connection:
                rows = connection.execute(matching(ref)).all()
            if len(rows) != 1:
                return None  # not remembered: there is no end of names that mean nothing
            self._states[ref] = State(rows[0].version, rows[0].gone)
        return self._states[ref]

    def trial(self, ref: Ref) -> Trial | None:
        """Return what is tried beside the version that a name means, if anything is."""
        if self._trials is None:
            with self._database.read() as connection:
                self._trials = {trial.ref.path: trial for trial in running(connection)}
        return self._trials.get(ref.path)

    def demands(self, version: str) -> Demands:
        """Return what a version demands. A name without a label is closed."""
        if version not in self._demands:
            above = ancestry(version)
            query = (
                select(artifacts.c.path, names.c.label, found.c.label)
                .join(above, above.c.version == artifacts.c.version)
                .outerjoin(names, names.c.path == artifacts.c.path)
                .outerjoin(found, found.c.version == artifacts.c.version)
                .distinct()
            )
            with self._database.read() as connection:
                rows = connection.execute(query).all()
            own: dict[str, Label] = {}
            for path, text, more in rows:
                named = Label.parse(text) if text else Label.CLOSED
                held = [own[path]] if path in own else []
                own[path] = Label.joined([named, *held, *([Label.parse(more)] if more else [])])
            label = Label.joined(own.values()) if own else Label.CLOSED
            self._demands[version] = Demands(own, label, self._clauses.need(label))
        return self._demands[version]

    def found(self, version: str) -> Label:
        """Return what a version was found to hold, as a label that adds to that of its name."""
        if version not in self._found:
            query = select(found.c.label).where(found.c.version == version)
            with self._database.read() as connection:
                text = connection.execute(query).scalar_one_or_none()
            self._found[version] = Label.parse(text) if text else Label.OPEN
        return self._found[version]

    def demands_by_item(self, ref: Ref) -> Demands:
        """Return what a pinned reference demands of who asks it item by item.

        That is all but the labels of the data it was made of, which hold for each item alone. What
        an embedder learnt finds every item, so its labels count whole.
        """
        version = ref.version or ""
        if version not in self._by_item:
            query = (
                select(edges.c.parent)
                .join(artifacts, artifacts.c.version == edges.c.parent)
                .where(edges.c.child == version, edges.c.flow != "filter")
                .where(~artifacts.c.path.startswith("data/"))
            )
            with self._database.read() as connection:
                parents = connection.execute(query).scalars().all()
            own = {ref.path: self.demands(version).own[ref.path]}
            for parent in parents:
                own |= self.demands(parent).own
            label = Label.joined(own.values())
            self._by_item[version] = Demands(own, label, self._clauses.need(label))
        return self._by_item[version]

    def sources(self, version: str) -> tuple[Ref, ...]:
        """Return the data behind what a version asks item by item; each has its own label."""
        if version not in self._sources:
            asked = select(edges.c.parent).where(edges.c.child == version, edges.c.flow == "filter")
            self._sources[version] = self._data(edges.c.child.in_(asked))
        return self._sources[version]

    def items(self, version: str) -> tuple[Ref, ...]:
        """Return the data that a version itself was made of; each has its own label."""
        if version not in self._items:
            self._items[version] = self._data(edges.c.child == version)
        return self._items[version]

    def asked(self, ref: Ref) -> tuple[Ref, ...]:
        """Return the data that a pinned reference answers from item by item, itself or below it."""
        version = ref.version or ""
        return self.items(version) if ref.section == "knowledge" else self.sources(version)

    def _data(self, of: ColumnElement[bool]) -> tuple[Ref, ...]:
        query = (
            select(artifacts.c.path, artifacts.c.version)
            .join(edges, edges.c.parent == artifacts.c.version)
            .where(of, artifacts.c.path.startswith("data/"))
            .order_by(artifacts.c.path)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return tuple(Ref.parse(r.path).at(r.version) for r in rows)


def ancestry(version: str) -> CTE:
    """Return the query for a version and all whose labels it carries, as one column `version`."""
    start = select(artifacts.c.version).where(artifacts.c.version == version)
    above = start.cte("above", recursive=True)
    step = select(edges.c.parent).join(above, edges.c.child == above.c.version)
    return above.union(step.where(edges.c.flow != "filter"))


def matching(ref: Ref) -> Select[Any]:
    """Return the query for what a reference means: a version, or the current one of a name."""
    query = select(artifacts).where(artifacts.c.path == ref.path)
    if ref.version:
        return query.where(artifacts.c.version.startswith(ref.version))
    return query.join(names, names.c.head == artifacts.c.version)
