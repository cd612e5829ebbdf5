"""What became of the rows of a data set, for somebody who may read it: one row, or two versions.

The account itself is written by `inhouse.data.curate`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inhouse.catalog.rows import FILE, RowReader
from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.errors import BadInput, NotFound
from inhouse.data.account import DROPPED, FLAGGED, NOTES
from inhouse.data.collect import LEDGER

if TYPE_CHECKING:
    from inhouse.project.project import Project

SAMPLE = 1_000


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a row in one data set: it is ``in``, ``dropped``, or was ``left out``.

    `why` has the step's number and name, the rule, what was found, the limit and the row that
    stays instead; of what was left out, the reason. `noted` is what steps noted of it.
    """

    ref: Ref
    state: str
    why: Mapping[str, Any]
    noted: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """What two versions of a data set do not share: ids of rows, and what differs in the steps.

    `removed` has the rule for each row that a step of the later version dropped, else nothing.
    """

    before: Ref
    after: Ref
    added: Sequence[str]
    removed: Mapping[str, str]
    changed: Sequence[str]
    same: int
    steps: Sequence[str]


def explain(project: Project, ref: Ref, id: str) -> Fate:
    """Say what became of a row: in a data set, or before that in one that it was made of.

    Raises:
        Refused: whoever acts may not read the data set.
        NotFound: there is no such data set, or no such row came into it.
    """
    opened = _opened(project, ref)
    fate = _fate(opened, id)
    if fate:
        return fate
    parents = [e.parent for e in opened.artifact.parents if e.parent.section == "data"]
    for parent in parents:
        # Several data sets go together under their names; a single one may lie in a folder that
        # is called as it is.
        for own in dict.fromkeys((id.removeprefix(f"{parent.name}/"), id)):
            try:
                return explain(project, parent, own)
            except NotFound:
                continue
    known = [row for file in (FILE, DROPPED) for row in _ids(opened.folder, file)]
    whole = next((row for row in known if row.endswith(f"/{id}")), None)
    raise NotFound("row", id, known, f"Did you mean {whole!r}?" if whole else "")


def noted(project: Project, ref: Ref) -> list[dict[str, Any]]:
    """Return what the steps of a data set noted of the rows in it, in their order.

    Raises:
        Refused: whoever acts may not read the data set.
        NotFound: there is no such data set.
    """
    opened = _opened(project, ref)
    staying = set(_ids(opened.folder, FILE))
    return [note for note in _notes(opened.folder, FLAGGED) if note["id"] in staying]


def differ(project: Project, before: Ref, after: Ref) -> Difference:
    """Compare two versions of a data set, or two data sets, row by row.

    Raises:
        Refused: whoever acts may not read both.
        NotFound: one is not there.
        BadInput: they hold rows of different kinds.
    """
    old, new = _opened(project, before), _opened(project, after)
    had, has = _digests(old.folder), _digests(new.folder)
    gone = had.keys() - has.keys()
    reasons = {row["id"]: f"{row['name']}: {row['rule']}" for row in _notes(new.folder, DROPPED)}
    both = had.keys() & has.keys()
    changed = sorted(id for id in both if had[id] != has[id])
    return Difference(
        old.artifact.ref,
        new.artifact.ref,
        sorted(has.keys() - had.keys()),
        {id: reasons.get(id, "") for id in sorted(gone)},
        changed,
        len(both) - len(changed),
        _steps(old.artifact, new.artifact),
    )


def rehearse(project: Project, target: str, *, rows: int = SAMPLE) -> dict[str, Any]:
    """Judge some rows as a run would, drawn evenly; return the summary, and examples of drops.

    Nothing is kept. A step that compares rows sees only those that were drawn.

    Raises:
        NotFound: the project has no such entry, or what it is made of has not been made.
        BadInput: it is not made by steps.
        Refused: whoever acts may not read what it is made of.
    """
    from inhouse.core.stage import Context
    from inhouse.data.curate import Curate, curated
    from inhouse.data.recipe import require, restored
    from inhouse.data.source import Drawn, sourced

    recipe = project.steps(target)[-1].recipe
    spec = recipe.spec
    if not isinstance(spec, Curate):
        raise BadInput(
            f"{target} is not made by steps.", "Name a data set that has 'steps', or run it."
        )
    require([restored(step) for step in spec.steps])
    inputs = {edge.role: _opened(project, edge.parent) for edge in recipe.parents}
    came = {role: inputs[role] for role in spec.sources}
    with tempfile.TemporaryDirectory() as folder, sourced(came) as source:
        ctx = Context(Path(folder), project.actor)
        summary = curated(Drawn(source, rows), spec, inputs, ctx)
        dropped = [*_notes(Path(folder), DROPPED)]
    return {**summary, "of": sum(_count(found) for found in came.values()), "examples": dropped}


def _count(found: Input) -> int:
    with RowReader(found.folder) as reader:
        return reader.rows


def _opened(project: Project, ref: Ref) -> Input:
    artifact = project.artifact(ref)
    access = project.catalog.access
    actor = access.actor(project.actor_name)
    access.decide(actor, "read", artifact.ref).require()
    opened = project.catalog.load(artifact.ref)
    if not (opened.folder / FILE).exists():
        raise BadInput(f"{artifact.ref} has no rows.", "Name a data set of texts.")
    return opened


def _fate(opened: Input, id: str) -> Fate | None:
    ref = opened.artifact.ref
    if any(row["id"] == id for row in _notes(opened.folder, FILE, ())):
        noted = [row for row in _notes(opened.folder, FLAGGED) if row["id"] == id]
        return Fate(ref, "in", {}, noted)
    for row in _notes(opened.folder, DROPPED):
        if row["id"] == id:
            return Fate(ref, "dropped", row)
    ledger = opened.folder / LEDGER
    if ledger.exists():
        with ledger.open(encoding="utf-8") as lines:
            for line in map(json.loads, lines):
                if line["path"] == id:
                    return Fate(ref, "left out", {"reason": line["reason"]})
    return None


def _ids(folder: Path, file: str) -> Iterator[str]:
    return (row["id"] for row in _notes(folder, file, ()))


def _notes(folder: Path, file: str, columns: Sequence[str] = NOTES) -> Iterator[dict[str, Any]]:
    """Yield ids with some columns of a file; nothing if it is not there."""
    if not (folder / file).exists():
        return
    with RowReader(folder, file=file) as reader:
        for table in reader.all(("id", *columns)):
            yield from table.to_pylist()


def _digests(folder: Path) -> dict[str, bytes]:
    """Return a digest of each row by its id."""
    found = {}
    with RowReader(folder) as reader:
        for table in reader.all():
            for row in table.to_pylist():
                said = json.dumps(row, ensure_ascii=False, sort_keys=True)
                found[row["id"]] = blake2b(said.encode(), digest_size=8).digest()
    return found


def _steps(before: Artifact, after: Artifact) -> list[str]:
    """Return in words what differs in the steps."""
    old, new = (list(found.params.get("steps", ())) for found in (before, after))
    told = []
    for place in range(max(len(old), len(new))):
        left = old[place] if place < len(old) else {}
        right = new[place] if place < len(new) else {}
        name = f"step {place + 1}, {right.get('step') or left.get('step')}"
        if not left or not right or left["step"] != right["step"]:
            was, now = left.get("step", "none"), right.get("step", "none")
            told.append(f"step {place + 1}: {was} -> {now}")
            continue
        told += [f"{name}: {key} {was} -> {now}" for key, was, now in _values(left, right)]
    return told


def _values(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            yield from _values(was, now)
        elif was != now:
            yield key, was, now
