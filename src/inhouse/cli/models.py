"""`inhouse models`: which models are here, and which can be had by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inhouse.cli.options import FILE, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, count, print_json, print_next, print_table, size

if TYPE_CHECKING:
    from inhouse.core.artifact import Artifact


def models(project: ProjectFile = FILE, as_json: AsJson = False) -> None:
    """List the models: those in the store and the built-in ones."""
    from inhouse.models.builtin import BUILTINS

    here = []
    if project.exists():
        with opened(project) as house:
            here = [a for a in house.catalog.list() if a.ref.section == "models"]
    listed = [_plain(artifact) for artifact in here]
    builtin = [
        {"name": b.name, "kind": b.kind, "licence": b.licence, "source": b.url, "note": b.note}
        for b in BUILTINS.values()
    ]
    if as_json:
        print_json({"models": listed, "builtin": builtin})
        return
    if listed:
        print_table(
            ("ref", "kind", "parameters", "size", "licence", "digest"),
            (
                (
                    m["ref"],
                    m["kind"],
                    count(m["parameters"]),
                    size(m["bytes"]),
                    m["licence"],
                    m["digest"][:12],
                )
                for m in listed
            ),
            spare="digest",
        )
        console.print()
    print_table(
        ("built in", "kind", "licence", "note"),
        ((b["name"], b["kind"], b["licence"], b["note"]) for b in builtin),
    )
    print_next("inhouse pull NAME")


def _plain(artifact: Artifact) -> dict[str, Any]:
    made_from = ", ".join(str(edge.parent) for edge in artifact.parents)
    return {
        "ref": str(artifact.ref),
        "source": artifact.params.get("url", f"made from {made_from}"),
        "kind": artifact.summary.get("kind", ""),
        "parameters": artifact.summary.get("parameters", 0),
        "bytes": artifact.size,
        "licence": artifact.summary.get("licence", ""),
        "digest": artifact.digest,
        "label": str(artifact.label),
    }
