"""Erasure: takes somebody's traces out of everything recorded, so that no byte of them stays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from inhouse.catalog import Catalog, audit
from inhouse.core.access import Actor
from inhouse.core.artifact import Artifact, Edge, Ref
from inhouse.core.errors import BadInput
from inhouse.core.nouns import SHADOW
from inhouse.core.stage import Context, Inputs, Recipe, Result, Stage
from inhouse.observe import rolled
from inhouse.observe.dayfile import day_files, purge
from inhouse.observe.days import FILES, SECTION
from inhouse.observe.feedback import FeedbackFile
from inhouse.observe.reach import reach
from inhouse.observe.roll import EARLIER, Note, alone, forget_earlier
from inhouse.observe.rows import Row, check_texts
from inhouse.observe.wanted import Wanted

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile


@dataclass(frozen=True, slots=True)
class Erasing:
    """Which traces to leave out of a day; what stays on record of them is a digest of their ids."""

    digest: str
    ids: frozenset[str] = field(metadata={"identity": False})


def run(spec: Erasing, inputs: Inputs, ctx: Context) -> Result:
    """Write the day's rows without those to erase."""
    earlier = inputs[EARLIER]
    with rolled.opened(earlier.folder / rolled.FILE) as file:
        count = rolled.write(ctx.work / rolled.FILE, _without(file, spec.ids))
    return Result({"traces": count, FILES: earlier.artifact.summary[FILES]})


ERASE = Stage("observe.erase", 1, run)


def erase(
    catalog: Catalog, folder: Path, *, by: Actor, actor: str = "", ids: Sequence[str] = ()
) -> int:
    """Erase the traces of an actor, or those with the ids; return how many there were.

    With an answer goes that of its shadow, and what was said about them; with an actor, what they
    said about answers to others. Who is no auditor erases only their own, and others' ids are as if
    there were none. Recording waits while a file is written anew. Cut off, it is to be asked for
    again, and so is what was being answered meanwhile: its end is recorded when it comes.

    Raises:
        Refused: the traces of somebody else are to be erased, and `by` is no auditor.
        BadInput: neither an actor nor ids are given, or both; or one is no text.
        StoreError: the disk is full, or somebody reads a file all the time.
        Corrupt: the bytes of a rolled day have changed.
    """
    if bool(ids) == bool(actor):
        raise BadInput("What is to be erased?", "Give ids, or an actor for all of theirs.")
    check_texts((actor, *ids))
    whose = reach(catalog, by, "erase", actor)
    both = [*ids, *(f"{SHADOW}{id}" for id in ids)]
    what = f"those of {actor}" if actor else f"{len(ids)} by id"
    _audit(catalog, by.name, f"begun: {what}")
    with alone(catalog, folder) as note:
        count = sum(purge(file, whose, both) for file in day_files(folder))
        for ref in catalog.heads(SECTION):
            day = catalog.load(ref)
            with rolled.opened(day.folder / rolled.FILE) as file:
                found = frozenset(_found(file, whose, both))
            if found:
                _rewrite(catalog, day.artifact, found, by.name, note)
                count += len(found)
        FeedbackFile(folder).forget(whose=whose, ids=ids)
    _audit(catalog, by.name, f"done: {what}, {count} traces")
    return count


def _rewrite(catalog: Catalog, earlier: Artifact, ids: frozenset[str], by: str, note: Note) -> None:
    digest = hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
    kept = [edge for edge in earlier.parents if edge.role != EARLIER]
    edges = (Edge(EARLIER, earlier.ref), *kept)
    recipe = Recipe(Ref(SECTION, earlier.ref.name), ERASE, Erasing(digest, ids), edges)
    note(recipe.version)
    forget_earlier(catalog, catalog.make(recipe, by=by).artifact)


def _found(file: ParquetFile, whose: str, ids: Sequence[str]) -> Iterator[str]:
    """Yield the ids of a rolled day's traces that are to go."""
    for id in ids:
        for row in rolled.read(file, Wanted(actor=whose, id=id)):
            if row.id == id:
                yield row.id
    if not ids:
        for row in rolled.read(file, Wanted(actor=whose)):
            yield row.id


def _without(file: ParquetFile, ids: frozenset[str]) -> Iterator[Row]:
    for row in rolled.read(file, Wanted(), newest_first=False):
        if row.id not in ids:
            yield row


def _audit(catalog: Catalog, by: str, note: str) -> None:
    with catalog.database.write() as connection:
        audit.write(connection, by, "erase", "traces", note=note)
