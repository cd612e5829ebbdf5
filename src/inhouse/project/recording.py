"""What a project records of questions and answers: where, for how long, and read by whom."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inhouse.observe.erase import erase
from inhouse.observe.roll import Rolled, roll
from inhouse.observe.traces import Traces

if TYPE_CHECKING:
    from inhouse.observe.recorder import Recorder
    from inhouse.project.project import Project


def folder(project: Project) -> Path:
    """Return where the traces of a project's store lie."""
    return project.catalog.root / "traces"


def recorder(project: Project) -> Recorder:
    """Return a recorder for this process, as durable as the project file wants it.

    Raises:
        StoreError: the folder cannot be written.
    """
    from inhouse.observe.recorder import Recorder

    return Recorder(folder(project), project.config.traces.durability)


def traces(project: Project) -> Traces:
    """Return the project's traces; who may read which is decided at each look."""
    return Traces(project.catalog, folder(project))


def roll_traces(project: Project) -> Rolled:
    """Make artifacts of the days that are over, and delete those kept long enough.

    Raises:
        StoreError: the disk is full.
    """
    keep = project.config.traces.keep
    return roll(
        project.catalog,
        folder(project),
        by=project.actor_name,
        now=time.time(),
        keep_days=int(keep.removesuffix("d")) if keep else 0,
    )


def erase_traces(project: Project, *, actor: str = "", ids: Sequence[str] = ()) -> int:
    """Erase the traces of an actor, or some by their ids; return how many there were.

    Raises:
        Refused: they are somebody else's, and whoever acts is no auditor.
        BadInput: neither an actor nor ids are given, or both.
        StoreError: the disk is full, or somebody reads a file all the time.
    """
    by = project.catalog.access.actor(project.actor_name)
    return erase(project.catalog, folder(project), by=by, actor=actor, ids=ids)
