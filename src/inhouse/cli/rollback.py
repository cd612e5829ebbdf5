"""`inhouse rollback`: end what is tried, or else serve again what was released before."""

from __future__ import annotations

from typing import Annotated

import typer

from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.release import tell


def rollback(
    endpoint: Annotated[str, typer.Argument(help="endpoints/NAME.")],
    project: ProjectFile = FILE,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """End a canary or shadow; else serve what was released before, over the documents of today."""
    from inhouse.project.release import roll_back

    with opened(project, actor) as house:
        tell(roll_back(house, endpoint), as_json=as_json)
