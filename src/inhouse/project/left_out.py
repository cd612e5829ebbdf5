"""What data sets left out, for somebody who may read them.

The names of files are part of what a label guards, and so are their digests.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inhouse.core.artifact import Artifact, Ref
from inhouse.data.collect import LEDGER

if TYPE_CHECKING:
    from inhouse.project.project import Project


@dataclass(frozen=True, slots=True)
class LeftOut:
    """``{path, reason}`` of each file that was left out, and the data sets that are not told of."""

    files: Sequence[dict[str, str]]
    closed: Sequence[Ref]


def may_read(project: Project, artifact: Artifact) -> bool:
    """Say whether whoever acts may read an artifact."""
    access = project.catalog.access
    actor = access.actor(project.actor_name)
    return access.decide(actor, "read", artifact.ref, record=False).allowed


def left_out(project: Project, artifact: Artifact) -> LeftOut:
    """Return what a data set, or the data sets of a knowledge base, left out.

    Raises:
        Corrupt: its bytes have changed.
    """
    files: list[dict[str, str]] = []
    closed = []
    for found in _data_sets(project, artifact):
        if not may_read(project, found):
            closed.append(found.ref)
        elif found.summary.get("skipped"):
            ledger = project.catalog.load(found.ref).folder / LEDGER
            with ledger.open(encoding="utf-8") as lines:
                files += map(json.loads, lines)
    return LeftOut(files, closed)


def _data_sets(project: Project, artifact: Artifact) -> list[Artifact]:
    """Return the data sets with a ledger that an artifact is, or is made of."""
    if LEDGER in artifact.files:
        return [artifact]
    parents = [e.parent for e in artifact.parents if e.parent.section == "data"]
    return [found for ref in parents for found in _data_sets(project, project.catalog.get(ref))]
