"""`inhouse ls`: what is in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from inhouse.cli.making import waits_for
from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json, print_next, print_table, size
from inhouse.cli.trial import plain, said

if TYPE_CHECKING:
    from inhouse.core.artifact import Artifact


def ls(
    section: Annotated[
        str | None, typer.Argument(help="data, models, knowledge …; all if left out.")
    ] = None,
    project: ProjectFile = FILE,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """List the current version of everything, with label and size."""
    from inhouse.core.artifact import SECTIONS
    from inhouse.core.errors import NotFound
    from inhouse.project.left_out import may_read

    if section is not None and section not in SECTIONS:
        raise NotFound("section", section, SECTIONS)
    with opened(project, actor) as house:
        found = [a for a in house.catalog.list() if section in (None, a.ref.section)]
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
            | {"waiting": newest.get(a.ref.path), "trial": plain(trials.get(a.ref.path))}
            for a in found
        ]
        print_json({"artifacts": listed})
        return
    print_table(
        ("name", "label", "size", "made", "by"),
        (_row(a, labels[a.ref], closed=a.ref in closed) for a in found),
        spare="by",
    )
    for ref in waiting:
        if section in (None, ref.section):
            console.print(waits_for(ref))
    for trial in trials.values():
        if section in (None, trial.ref.section):
            console.print(said(trial))
    print_next("inhouse show NAME" if found else "inhouse run")


def _row(artifact: Artifact, label: str, *, closed: bool) -> tuple[str, ...]:
    weight = "" if closed else size(artifact.size)
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
