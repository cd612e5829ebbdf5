"""`inhouse why`: may somebody use a thing, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json

if TYPE_CHECKING:
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
        allowed = decisions[0].allowed and (
            len(decisions) == 1 or any(d.allowed for d in decisions[1:])
        )
        print_json(
            {"actor": asker.name, "groups": sorted(asker.groups), "allowed": allowed}
            | {"decisions": listed, "pending_changes": pending}
        )
        return
    console.print(f"{asker.name} is in: {', '.join(sorted(asker.groups)) or 'no group'}")
    for decision in decisions:
        mark = "[green]yes[/]" if decision.allowed else "[red]no[/] "
        console.print(f"{mark} {decision.reason}")
    if pending:
        console.print("The project file has changes that are not in the store yet: inhouse run")


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
