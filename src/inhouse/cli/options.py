"""The options that several verbs share, and the project they open."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from inhouse.project.project import Project

ProjectFile = Annotated[
    Path,
    typer.Option(
        "--project", "-p", envvar="INHOUSE_PROJECT", help="The project file.", show_default=True
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
As = Annotated[
    str | None,
    typer.Option(
        "--actor",
        "-a",
        envvar="INHOUSE_ACTOR",
        help="Who asks. [default: your login name]",
        show_default=False,
    ),
]

FILE = Path("inhouse.yaml")


@contextmanager
def opened(file: Path, actor: str | None = None) -> Iterator[Project]:
    """Open the project and close it at the end; who acts is the login name if nobody is named.

    Raises:
        BadInput: the actor's name is empty, as from a variable that was not set.
    """
    from inhouse.core.errors import BadInput
    from inhouse.project.project import Project

    if actor is not None and not actor.strip():
        raise BadInput("The actor's name is empty.", "Name somebody, or leave --actor out.")
    project = Project(file, actor=actor or login())
    try:
        yield project
    finally:
        project.close()


def login() -> str:
    """Return the login name of whoever runs the program."""
    try:
        return os.environ.get("INHOUSE_ACTOR") or getpass.getuser()
    except (KeyError, OSError):  # a container may run under a user id that has no name
        return "me"
