"""Artifacts as rows: reading them, recording a new one, pointing a name to one."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Connection, Row, delete, select, update

from inhouse.catalog import audit, trials
from inhouse.catalog.database import advance
from inhouse.catalog.lineage import Lineage
from inhouse.catalog.schema import artifacts, candidates, edges, files, found, names
from inhouse.core.artifact import (
    Artifact,
    Edge,
    File,
    Flow,
    Ref,
    canonical,
    digest_of,
    identity,
)
from inhouse.core.label import Label
from inhouse.core.stage import Recipe


def read(connection: Connection, row: Row[Any], lineage: Lineage) -> Artifact:
    """Return the artifact of a row, with the label in force at this moment."""
    ref = Ref.parse(row.path).at(row.version)
    parents = connection.execute(
        select(edges.c.role, edges.c.flow, edges.c.parent, artifacts.c.path)
        .join(artifacts, artifacts.c.version == edges.c.parent)
        .where(edges.c.child == row.version)
        .order_by(edges.c.role)
    )
    return Artifact(
        ref=ref,
        recipe=row.recipe,
        code=row.code,
        params=json.loads(row.params),
        parents=tuple(
            Edge(e.role, Ref.parse(e.path).at(e.parent), cast(Flow, e.flow)) for e in parents
        ),
        digest=row.digest,
        files=read_files(connection, row.version),
        label=lineage.now().demands(row.version).label,
        created=datetime.fromtimestamp(row.created, UTC),
        actor=row.actor,
        seconds=row.seconds,
        summary=json.loads(row.summary),
        gone=row.gone,
    )


def read_files(connection: Connection, version: str) -> dict[str, File]:
    """Return the files of a version by path."""
    query = select(files).where(files.c.version == version).order_by(files.c.path)
    return {row.path: File(row.digest, row.size) for row in connection.execute(query)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out of a stage: its files, how long it took, and what it says of itself.

    `found` is what it came upon, which adds to the label of the version.
    """

    files: Mapping[str, File]
    seconds: float
    summary: Mapping[str, Any]
    found: Label = Label.OPEN


def record(
    connection: Connection, recipe: Recipe, outcome: Outcome, *, by: str, inherited: Label
) -> None:
    """Write the rows of a new artifact.

    A version that was collected or damaged is made again under the same name.
    """
    version = recipe.version
    own = select(names.c.label).where(names.c.path == recipe.ref.path)
    text = connection.execute(own).scalar_one_or_none()
    label = inherited.join(Label.parse(text) if text else Label.CLOSED).join(outcome.found)
    row = {
        "path": recipe.ref.path,
        "recipe": recipe.stage.recipe,
        "code": recipe.stage.code,
        "params": canonical(identity(recipe.spec)),
        "digest": digest_of(outcome.files),
        "label": str(label),
        "created": time.time(),
        "actor": by,
        "seconds": round(outcome.seconds, 3),
        "summary": canonical(dict(outcome.summary)),
        "gone": None,
    }
    before = select(artifacts.c.digest).where(artifacts.c.version == version)
    digest = connection.execute(before).scalar_one_or_none()
    if digest not in (None, row["digest"]):
        note = f"made again with other bytes: digest {digest} before, {row['digest']} now"
        audit.write(connection, by, "change", str(recipe.ref.at(version)), note=note)
    connection.execute(delete(files).where(files.c.version == version))
    connection.execute(delete(edges).where(edges.c.child == version))
    renewed = update(artifacts).where(artifacts.c.version == version).values(**row)
    if connection.execute(renewed).rowcount == 0:
        connection.execute(artifacts.insert().values(version=version, **row))
    for edge in recipe.parents:
        connection.execute(
            edges.insert().values(
                child=version, role=edge.role, parent=edge.parent.version, flow=edge.flow
            )
        )
    for path, file in outcome.files.items():
        connection.execute(
            files.insert().values(version=version, path=path, digest=file.digest, size=file.size)
        )
    more = _found(connection, version, outcome.found)
    note = f"digest {row['digest']}{more}"
    audit.write(connection, by, "make", str(recipe.ref.at(version)), note=note)


def _found(connection: Connection, version: str, label: Label) -> str:
    """Write what a version was found to hold; return it in words."""
    query = select(found.c.label).where(found.c.version == version)
    before = connection.execute(query).scalar_one_or_none()
    if str(label) != (before or str(Label.OPEN)):
        connection.execute(delete(found).where(found.c.version == version))
        if label != Label.OPEN:
            connection.execute(found.insert().values(version=version, label=str(label)))
        advance(connection)
    return "" if label == Label.OPEN else f"; found to carry {label}"


def point(connection: Connection, ref: Ref, *, by: str) -> None:
    """Make a name mean a version."""
    query = select(names.c.head).where(names.c.path == ref.path)
    row = connection.execute(query).one_or_none()
    if row is not None and row.head == ref.version:
        return
    if row is None:
        connection.execute(names.insert().values(path=ref.path, head=ref.version))
    else:
        change = update(names).where(names.c.path == ref.path)
        connection.execute(change.values(head=ref.version))
    advance(connection)
    audit.write(connection, by, "point", ref.path, note=f"to {ref}")


def bury(connection: Connection, ref: Ref, *, by: str) -> None:
    """Make a tombstone of a version: nobody may open it, its label and lineage stay."""
    change = update(artifacts).where(artifacts.c.version == ref.version)
    connection.execute(change.values(gone="deleted"))
    connection.execute(update(names).where(names.c.head == ref.version).values(head=None))
    connection.execute(delete(candidates).where(candidates.c.version == ref.version))
    trials.end_of(connection, ref, by=by, why="it was deleted")
    advance(connection)
    audit.write(connection, by, "delete", str(ref), note="")
