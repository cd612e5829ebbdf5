"""`inhouse explain`: what became of one row of a data set, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json, print_next, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inhouse.project.rows import Fate


LISTED = 20


def explain(
    ref: Annotated[str, typer.Argument(help="data/NAME or data/NAME@version.")],
    row: Annotated[
        str | None,
        typer.Argument(help="The id of the row: of a document, its path. If none, all of note."),
    ] = None,
    actor: As = None,
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Say whether a row is in a data set, or which step dropped it and why.

    Without a row, list those of which a step noted something, such as personal data.
    """
    from inhouse.core.artifact import Ref
    from inhouse.project.rows import explain as what_became
    from inhouse.project.rows import noted

    if row is None:
        with opened(project, actor) as house:
            notes = noted(house, Ref.parse(ref))
        _list(ref, notes, as_json=as_json)
        return
    with opened(project, actor) as house:
        fate = what_became(house, Ref.parse(ref), row)
    if as_json:
        print_json(
            {"ref": str(fate.ref), "row": row, "state": fate.state}
            | {"why": dict(fate.why), "noted": [dict(note) for note in fate.noted]}
        )
        return
    console.print(escape(said(row, fate)))
    for note in fate.noted:
        console.print(escape(f"  noted by step {note['step']}, {because(note)}"))
    kept = fate.why.get("kept")
    if kept:
        print_next(f"inhouse explain {fate.ref} '{kept}'")


def _list(ref: str, notes: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"ref": ref, "noted": [dict(note) for note in notes]})
        return
    if not notes:
        console.print(f"No step noted anything of a row in {escape(ref)}.")
        return
    rows = [(note["id"], f"{note['step']}", because(note)) for note in notes[:LISTED]]
    print_table(("row", "step", "noted"), rows)
    if len(notes) > LISTED:
        console.print(f"and {len(notes) - LISTED:,} more: --json")
    print_next(f"inhouse explain {ref} '{notes[0]['id']}'")


def said(row: str, fate: Fate) -> str:
    """Return in a sentence what became of a row."""
    if fate.state == "in":
        return f"{row} is in {fate.ref}."
    if fate.state == "left out":
        return f"{row} was left out of {fate.ref}: {fate.why['reason']}"
    return f"{row} was dropped from {fate.ref} by step {fate.why['step']}, {because(fate.why)}."


def because(note: Mapping[str, str]) -> str:
    """Return in words what a step noted: its name, the rule, what was found, and the limit."""
    rule = note["rule"].replace("_", " ")
    parts = [f"{note['name']}: {rule}"]
    if note["value"]:
        parts.append(note["value"])
    if note["limit"]:
        parts.append(f"the limit is {note['limit']}")
    if note["kept"]:
        parts.append(f"{note['kept']} stays")
    return "; ".join(parts)
