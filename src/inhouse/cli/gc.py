"""`inhouse gc`: remove the bytes that nothing current needs."""

from __future__ import annotations

from typing import Annotated

import typer

from inhouse.cli.options import FILE, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json, size


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Remove the bytes that nothing current needs.

    Kept is what a name points to, what waits for a release or is tried, the models of the release
    before, all they were made from, and unfinished work that the next run goes on with. Versions
    and lineage stay on record.
    """
    with opened(project) as house:
        wanted = {step.recipe.version for step in house.steps()}
        gone = house.catalog.collect(by=house.actor_name, dry=dry_run, wanted=wanted)
    if as_json:
        print_json(
            {"artifacts": [str(r) for r in gone.artifacts], "bytes": gone.bytes, "dry_run": dry_run}
        )
        return
    for ref in gone.artifacts:
        console.print(str(ref))
    verb = "would be freed" if dry_run else "freed"
    console.print(f"{size(gone.bytes)} {verb}; versions and lineage stay on record.")
