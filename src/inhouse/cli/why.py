"""`inhouse why`: may somebody use a thing, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inhouse.catalog import Catalog
    from inhouse.core.access import Action, Actor, Decision
    from inhouse.core.artifact import Ref


def why(
    ref: Annotated[str, typer.Argument(help="section/name or section/name@version.")],
    actor: As = "",
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Say whether somebody may use a thing, and which label decides it."""
    from inhouse.core.artifact import Ref

    with opened(project, actor) as house:
        asker = house.catalog.access.actor(house.actor_name)
        decisions = _decisions(house.catalog, asker, Ref.parse(ref))
        pending = house.plan().groups_change or bool(house.plan().labels)
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
    """Sum up: the thing itself must be allowed and, of its sources, at least one."""
    thing, *sources = decisions
    readable = sum(source.allowed for source in sources)
    asked = f"{actor.name} may {thing.action} {thing.thing.path}"
    if not thing.allowed:
        return False, f"No: {asked.replace(' may ', ' may not ', 1)}."
    if sources and not readable:
        return (
            False,
            f"No: {actor.name} gets no answer from {thing.thing.path}, because none of "
            "its sources is theirs to read.",
        )
    if readable < len(sources):
        return True, f"Yes: {asked}, and is answered from {readable} of its {len(sources)} sources."
    return True, f"Yes: {asked}."


def _decisions(catalog: Catalog, actor: Actor, ref: Ref) -> list[Decision]:
    """Decide on a thing and, if it answers from a knowledge base, on each of its sources."""
    artifact = catalog.get(ref)
    action: Action = "use" if ref.section in ("endpoints", "models") else "read"
    decisions = [catalog.access.decide(actor, action, artifact.ref, record=False)]
    for edge in artifact.parents:
        if edge.flow == "filter":
            for source in catalog.get(edge.parent).parents:
                if source.parent.section == "data":
                    decisions.append(
                        catalog.access.decide(actor, "read", source.parent, record=False)
                    )
    return decisions
