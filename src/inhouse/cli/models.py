"""`inhouse models`: which models are here, and which can be had by name."""

from __future__ import annotations

from inhouse.cli.options import FILE, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, count, print_json, print_next, print_table, size


def models(project: ProjectFile = FILE, as_json: AsJson = False) -> None:
    """List the models in the store and the built-in ones, with size, licence and digest."""
    from inhouse.models.builtin import BUILTINS

    here = []
    if project.exists():
        with opened(project) as house:
            here = [a for a in house.catalog.list() if a.ref.section == "models"]
    listed = [
        {
            "ref": str(a.ref),
            "source": a.params.get(
                "url", "made from " + ", ".join(str(e.parent) for e in a.parents)
            ),
            "kind": a.summary.get("kind", ""),
            "parameters": a.summary.get("parameters", 0),
            "bytes": a.size,
            "licence": a.summary.get("licence", ""),
            "digest": a.digest,
            "label": str(a.label),
        }
        for a in here
    ]
    builtin = [
        {"name": b.name, "kind": b.kind, "licence": b.licence, "source": b.url, "note": b.note}
        for b in BUILTINS.values()
    ]
    if as_json:
        print_json({"models": listed, "builtin": builtin})
        return
    if listed:
        columns = ("ref", "kind", "parameters", "size", "licence", "digest")
        print_table(
            columns,
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
