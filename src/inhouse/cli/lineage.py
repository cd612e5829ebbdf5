"""`inhouse lineage`: what a thing was made from, and what was made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from inhouse.cli.options import FILE, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json

if TYPE_CHECKING:
    from rich.tree import Tree

    from inhouse.catalog import Catalog
    from inhouse.core.artifact import Artifact


def lineage(
    ref: Annotated[str, typer.Argument(help="section/name or section/name@version.")],
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Draw what a thing was made from, and into what."""
    from rich.tree import Tree

    from inhouse.core.artifact import Ref

    with opened(project) as house:
        artifact = house.artifact(Ref.parse(ref))
        above, below = _above(house.catalog, artifact), _below(house.catalog, artifact)
    if as_json:
        print_json({"ref": str(artifact.ref), "made_from": above["parents"], "made_into": below})
        return
    tree = Tree(f"{artifact.ref}  [dim]{artifact.label}[/]")
    _draw(tree, above["parents"])
    console.print(tree)
    if below:
        made = Tree("made into")
        for child in below:
            made.add(f"{child['ref']}  [dim]{child['label']}[/]")
        console.print(made)


def _above(catalog: Catalog, artifact: Artifact) -> dict[str, Any]:
    return {
        "ref": str(artifact.ref),
        "label": str(artifact.label),
        "recipe": artifact.recipe,
        "parents": [
            {"role": edge.role, "flow": edge.flow, **_above(catalog, catalog.get(edge.parent))}
            for edge in artifact.parents
        ],
    }


def _below(catalog: Catalog, artifact: Artifact) -> list[dict[str, str]]:
    found = [{"ref": str(c.ref), "label": str(c.label)} for c in catalog.children(artifact)]
    return found


def _draw(tree: Tree, parents: list[dict[str, Any]]) -> None:
    for parent in parents:
        asked = " (asked item by item)" if parent["flow"] == "filter" else ""
        text = f"{parent['role']}: {parent['ref']}  [dim]{parent['label']}{asked}[/]"
        _draw(tree.add(text), parent["parents"])
