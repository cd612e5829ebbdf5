"""Decides who may do what with which thing. Deny by default; every refusal is on record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection, delete, insert, select

from inhouse.catalog import audit
from inhouse.catalog.database import Database, advance
from inhouse.catalog.lineage import Lineage, Moment
from inhouse.catalog.schema import members, names
from inhouse.core.access import Action, Actor, Decision
from inhouse.core.artifact import Ref
from inhouse.core.label import Label, check_group


class Access:
    """Groups, own labels and decisions over one catalog."""

    def __init__(self, database: Database, lineage: Lineage) -> None:
        self._database = database
        self._lineage = lineage

    def actor(self, name: str) -> Actor:
        """Return an actor with the groups held at this moment; a stranger holds none."""
        return Actor(name, self._lineage.now().groups(name))

    def groups(self) -> dict[str, frozenset[str]]:
        """Return every actor that holds a group, with the groups."""
        with self._database.read() as connection:
            return _read_groups(connection)

    def labels(self) -> dict[str, Label]:
        """Return the own label of every name that has one."""
        query = select(names.c.path, names.c.label).where(names.c.label.is_not(None))
        with self._database.read() as connection:
            return {path: Label.parse(text) for path, text in connection.execute(query)}

    def decide(self, actor: Actor, action: Action, thing: Ref, *, record: bool = True) -> Decision:
        """Say whether an actor may do something with a thing, and why not.

        A refusal is written to the audit log, and so are every `use` and every `search`. With
        ``record=False`` nothing is: for filtering what somebody sees, where a "no" is no event.
        """
        decision = self.judge(actor, action, thing, self._lineage.now())
        if record and (action != "read" or not decision.allowed):
            with self._database.write() as connection:
                audit.write(
                    connection,
                    actor.name,
                    action,
                    str(decision.thing),
                    allowed=decision.allowed,
                    note=decision.reason,
                )
        return decision

    def apply(
        self, groups: Mapping[str, frozenset[str]], labels: Mapping[Ref, Label], *, by: str
    ) -> None:
        """Make `groups` (actor -> groups) the whole of who holds what, and give names own labels.

        A label holds at once for all versions of its name and all made from them. Either
        everything takes effect or nothing does.
        """
        with self._database.write() as connection:
            changes = memberships(_read_groups(connection), groups)
            if changes:
                _write_groups(connection, groups)
                audit.write(connection, by, "set groups", "groups", note="; ".join(changes))
            changed = [_write_label(connection, ref, label, by) for ref, label in labels.items()]
            if changes or any(changed):
                advance(connection)

    def set_label(self, ref: Ref, label: Label, *, by: str) -> None:
        """Give a name its own label, at once for all its versions and all made from them."""
        with self._database.write() as connection:
            if _write_label(connection, ref, label, by):
                advance(connection)

    def judge(self, actor: Actor, action: Action, thing: Ref, now: Moment) -> Decision:
        """Say what `decide` would at a moment; nothing is written."""
        if action != "read" and not actor.within(thing):
            note = f"this key is only for {', '.join(actor.only)}"
            fix = "Use another key, or ask for one: inhouse keys create."
            return Decision(False, actor.name, action, thing, Label.CLOSED, note=note, fix=fix)
        state = now.state(thing)
        if state is None:
            note = "there is no such version" if thing.version else "it has not been made"
            return Decision(False, actor.name, action, thing, Label.CLOSED, note=note)
        pinned = thing.at(state.version)
        if state.gone == "deleted":
            note = "it was deleted"
            return Decision(False, actor.name, action, pinned, Label.CLOSED, note=note)
        by_item = action == "search" and thing.section == "knowledge"
        demands = now.demands_by_item(pinned) if by_item else now.demands(state.version)
        if self._lineage.clauses.admits(actor.groups, demands.need):
            return self._judge_sources(
                Decision(True, actor.name, action, pinned, demands.label), actor, now
            )
        missing = demands.label.missing(actor.groups)
        return Decision(
            False, actor.name, action, pinned, demands.label, missing, demands.origins(missing)
        )

    def _judge_sources(self, given: Decision, actor: Actor, now: Moment) -> Decision:
        """Uphold a yes, unless the thing answers from data of which the actor may read nothing."""
        version = given.thing.version or ""
        sources = now.items(version) if given.action == "search" else now.sources(version)
        found = [self.judge(actor, "read", source, now) for source in sources]
        if not found or any(decision.allowed for decision in found):
            return given
        closed = [decision for decision in found if not decision.note]
        if not closed:
            gone = "; ".join(f"{decision.thing.path}: {decision.note}" for decision in found)
            note = f"none of the documents it answers from is there any more ({gone})"
            return replace(given, allowed=False, note=note, fix="Make them with: inhouse run")
        carried = "; ".join(f"{d.thing.path} carries {d.missing}" for d in closed)
        return replace(
            given,
            allowed=False,
            missing=Label.joined(decision.missing for decision in closed),
            origins=tuple(origin for decision in closed for origin in decision.origins),
            note=f"it answers only from documents closed to them: {carried}",
        )


def memberships(
    before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]
) -> list[str]:
    """Return in words who joins and who leaves which group, from one state to another."""
    none: frozenset[str] = frozenset()
    found = []
    for actor in sorted(before.keys() | after.keys()):
        held, holds = before.get(actor, none), after.get(actor, none)
        found += [f"{actor} joins {group}" for group in sorted(holds - held)]
        found += [f"{actor} leaves {group}" for group in sorted(held - holds)]
    return found


def _read_groups(connection: Connection) -> dict[str, frozenset[str]]:
    held: dict[str, set[str]] = {}
    for actor, group in connection.execute(select(members)):
        held.setdefault(actor, set()).add(group)
    return {actor: frozenset(groups) for actor, groups in held.items()}


def _write_groups(connection: Connection, groups: Mapping[str, frozenset[str]]) -> None:
    rows = [
        {"actor": actor, "group": check_group(group)}
        for actor, held in groups.items()
        for group in held
    ]
    connection.execute(delete(members))
    if rows:
        connection.execute(insert(members), rows)


def _write_label(connection: Connection, ref: Ref, label: Label, by: str) -> bool:
    """Write a name's own label and say whether that changed anything."""
    query = select(names.c.label).where(names.c.path == ref.path)
    row = connection.execute(query).one_or_none()
    before = row.label if row else None
    if before == str(label):
        return False
    if row:
        change = names.update().where(names.c.path == ref.path)
        connection.execute(change.values(label=str(label)))
    else:
        connection.execute(names.insert().values(path=ref.path, label=str(label)))
    audit.write(connection, by, "set label", ref.path, note=f"{before or 'closed'} -> {label}")
    return True
