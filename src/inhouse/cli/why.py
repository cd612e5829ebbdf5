"""`inhouse why`: may somebody use a thing, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inhouse.core.access import Action, Actor, Decision
    from inhouse.core.artifact import Ref
    from inhouse.project.project import Project


def why(
    ref: Annotated[str, typer.Argument(help="section/name or section/name@version.")],
    actor: As = None,
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Say whether somebody may use a thing, and why not."""
    from inhouse.core.artifact import Ref

    with opened(project, actor) as house:
        asker = house.catalog.access.actor(house.actor_name)
        decisions = _decisions(house, asker, Ref.parse(ref))
        pending = house.pending
    allowed, verdict = _verdict(asker, decisions)
    if as_json:
        listed = [
            {
                "thing": str(d.thing),
                "allowed": d.allowed,
                "label": str(d.label),
                "missing": str(d.missing) if not d.allowed else None,
                "origins": [o.path for o in d.origins],
                "reason": d.reason,
            }
            for d in decisions
        ]
        print_json(
            {"actor": asker.name, "groups": sorted(asker.groups), "allowed": allowed}
            | {"verdict": verdict, "decisions": listed, "pending_changes": pending}
        )
        return
    held = ", ".join(sorted(asker.groups)) or "no group"
    console.print(f"{escape(asker.name)} is in: {escape(held)}")
    for decision in decisions:
        mark = "[green]yes[/]" if decision.allowed else "[red]no[/] "
        console.print(f"{mark} {escape(decision.reason)}")
    if pending:
        console.print("The project file has changes that are not in the store yet: inhouse run")
    console.print(f"[bold]{escape(verdict)}[/]")


def _verdict(actor: Actor, decisions: Sequence[Decision]) -> tuple[bool, str]:
    """Sum up the decision on a thing, and how many of its sources it may draw on."""
    thing, *sources = decisions
    readable = sum(source.allowed for source in sources)
    asked = f"{actor.name} may {thing.action} {thing.thing.path}"
    if not thing.allowed:
        return False, f"No: {asked.replace(' may ', ' may not ', 1)}."
    if readable < len(sources):
        return True, f"Yes: {asked}, and is answered from {readable} of its {len(sources)} sources."
    return True, f"Yes: {asked}."


def _decisions(house: Project, actor: Actor, ref: Ref) -> list[Decision]:
    """Decide on a thing and, if it answers from a knowledge base, on each of its sources."""
    artifact, catalog = house.artifact(ref), house.catalog
    action: Action = "use" if ref.section in ("endpoints", "models") else "read"
    decisions = [catalog.access.decide(actor, action, artifact.ref, record=False)]
    for source in catalog.lineage.now().sources(artifact.ref.version or ""):
        decisions.append(catalog.access.decide(actor, "read", source, record=False))
    return decisions
