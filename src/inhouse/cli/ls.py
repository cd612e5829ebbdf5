"""`inhouse ls`: what is in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from inhouse.cli.making import waits_for
from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json, print_next, print_table, size
from inhouse.cli.trial import plain, said

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from inhouse.core.artifact import Artifact, Ref
    from inhouse.project.project import Project


def ls(
    what: Annotated[
        str | None,
        typer.Argument(help="data, models, knowledge …, or section/name for all its versions."),
    ] = None,
    project: ProjectFile = FILE,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """List the current version of everything, or all versions of one thing, newest first."""
    from inhouse.project.left_out import may_read

    with opened(project, actor) as house:
        found = _found(house, what)
        current = {a.ref for a in house.catalog.list()}
        now = house.catalog.lineage.now()
        waiting = house.catalog.releases.waiting()
        trials = {trial.ref.path: trial for trial in house.catalog.trials.running()}
        labels = {a.ref: "by source" if now.asked(a.ref) else str(a.label) for a in found}
        # Sizes and digests tell of what is in a thing.
        closed = {a.ref for a in found if not may_read(house, a)}
    if as_json:
        newest = {ref.path: ref.version for ref in waiting}
        listed = [
            _plain(a, labels[a.ref], closed=a.ref in closed)
            | {"current": a.ref in current, "gone": a.gone}
            | {"waiting": newest.get(a.ref.path), "trial": plain(trials.get(a.ref.path))}
            for a in found
        ]
        print_json({"artifacts": listed})
        return
    rows = [_row(a, labels[a.ref], closed=a.ref in closed) for a in found]
    states = ["current" if a.ref in current else a.gone or "" for a in found]
    heads = ("name", "label", "size", "made", "by")
    if all(a.ref in current for a in found):
        print_table(heads, rows, spare="by")
    else:
        together = [(*row, state) for row, state in zip(rows, states, strict=True)]
        print_table((*heads, "state"), together, spare="by")
    for ref in waiting:
        if what in (None, ref.section, ref.path):
            console.print(waits_for(ref))
    for trial in trials.values():
        if what in (None, trial.ref.section, trial.ref.path):
            console.print(said(trial))
    _print_next(found, current)


def _found(house: Project, what: str | None) -> Sequence[Artifact]:
    """Return the current versions of a section, or all versions of one thing."""
    from inhouse.core.artifact import SECTIONS, Ref
    from inhouse.core.errors import NotFound

    if what and "/" in what:
        ref = Ref.parse(what)
        return house.catalog.versions(ref) or [house.artifact(ref)]
    if what not in (None, *SECTIONS):
        raise NotFound("section", what, SECTIONS)
    return [a for a in house.catalog.list() if what in (None, a.ref.section)]


def _print_next(found: Sequence[Artifact], current: AbstractSet[Ref]) -> None:
    """Print what to type next; of versions of a data set, how the last two are compared."""
    others = (a.ref for a in found if a.ref not in current and not a.gone)
    other = next(others, None)
    if other and other.section == "data":
        print_next(f"inhouse diff {other} {other.path}")
    else:
        print_next("inhouse show NAME" if found else "inhouse run")


def _row(artifact: Artifact, label: str, *, closed: bool) -> tuple[str, ...]:
    weight = "" if closed or artifact.gone else size(artifact.size)
    made = f"{artifact.created:%Y-%m-%d %H:%M} UTC"
    return str(artifact.ref), label, weight, made, artifact.actor


def _plain(artifact: Artifact, label: str, *, closed: bool) -> dict[str, Any]:
    return {
        "ref": artifact.ref.path,
        "version": artifact.ref.version,
        "digest": "" if closed else artifact.digest,
        "label": label,
        "bytes": None if closed else artifact.size,
        "created": artifact.created.isoformat(),
    }
