"""What is to be made for an entry, before it has a version: the words of those who say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inhouse.catalog import Catalog
from inhouse.core.stage import Recipe, Stage
from inhouse.project.schema import ProjectFile


@dataclass(frozen=True, slots=True)
class Made:
    """How something is made: its path, stage, spec, and parents as pairs of role and path."""

    path: str
    stage: Stage
    spec: object
    parents: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Around:
    """What an entry may look at: project file and its folder, store, and what is made before."""

    project: ProjectFile
    catalog: Catalog
    recipes: Mapping[str, Recipe]
    root: Path
