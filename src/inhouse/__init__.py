"""Build, serve and govern language models that your company owns."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inhouse.project.project import Project

__version__ = "0.1.0"


def open(file: str | PathLike[str] = "inhouse.yaml", *, actor: str) -> Project:
    """Open a project file, as somebody: what the command line does, for programs.

    Raises:
        ProjectError: something in the file is wrong.
        StoreError: its store cannot be used.
    """
    from inhouse.project.project import Project

    return Project(Path(file), actor=actor)
