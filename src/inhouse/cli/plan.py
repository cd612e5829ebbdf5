"""`inhouse plan`: what a run would do, why, and for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, AsJson, ProjectFile, opened
from inhouse.cli.terminal import (
    console,
    people,
    print_json,
    print_next,
    print_table,
    print_unlabelled,
)

if TYPE_CHECKING:
    from inhouse.project.plan import Plan, Planned


def plan(
    target: Annotated[
        str | None, typer.Argument(help="section/name; everything if left out.")
    ] = None,
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Say what a run would make, why, and for whom."""
    from inhouse.project.read import unlabelled

    with opened(project) as house:
        planned = house.plan(target)
        config = house.config
    if as_json:
        print_json(_plain(planned) | {"unlabelled": unlabelled(config)})
        return
    print_table(
        ("step", "state", "label", "who may use it", "last time"),
        (
            (
                p.step.path,
                _state(p),
                p.step.demand,
                "section by section" if _by_section(p) else people(p.audience),
                "" if p.seconds is None else f"{p.seconds:.1f} s",
            )
            for p in planned.steps
        ),
        spare="last time",
    )
    for ref in planned.retired:
        console.print(f"{ref.path}: goes out of service, the project file has it no more")
    for change in planned.labels:
        if change.before is not None:
            loosens = " (needs --loosen)" if change.loosens else ""
            console.print(f"label of {change.ref.path}: {change.before} -> {change.after}{loosens}")
    for membership in planned.memberships:
        console.print(escape(membership))
    print_unlabelled(unlabelled(config))
    if planned.changes:
        print_next("inhouse run")
    else:
        console.print("\nEverything is up to date.")


def _state(planned: Planned) -> str:
    return f"{planned.status}: {planned.reason}" if planned.reason else planned.status


def _by_section(planned: Planned) -> bool:
    """Say whether nobody may read it whole, and it is asked section by section."""
    return planned.step.recipe.ref.section == "knowledge" and planned.audience == ()


def _plain(planned: Plan) -> dict[str, Any]:
    return {
        "steps": [
            {
                "ref": p.step.path,
                "version": p.step.recipe.version,
                "status": p.status,
                "reason": p.reason,
                "waits": p.waits,
                "label": str(p.step.label),
                "sources": {path: str(label) for path, label in p.step.sources.items()},
                "audience": p.audience,
                "seconds_last_time": p.seconds,
            }
            for p in planned.steps
        ],
        "labels": [
            {"ref": c.ref.path, "before": c.before and str(c.before), "after": str(c.after)}
            for c in planned.labels
        ],
        "memberships": planned.memberships,
        "retired": [ref.path for ref in planned.retired],
    }
