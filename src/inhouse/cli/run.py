"""`inhouse run`: make what is not there, and only that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inhouse.cli.making import Ran, make, plain, waiting
from inhouse.cli.options import FILE, As, AsJson, ProjectFile, login, opened
from inhouse.cli.terminal import (
    console,
    print_json,
    print_next,
    print_table,
    print_unlabelled,
    stderr,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(
    target: Annotated[
        str | None, typer.Argument(help="section/name; everything if left out.")
    ] = None,
    loosen: Annotated[
        bool, typer.Option("--loosen", help="Let labels in the project file loosen.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first file or row that is left out.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and run again whenever a file changes.")
    ] = False,
    dry: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Judge a sample of the rows of data/NAME by its steps; keep nothing."
        ),
    ] = False,
    project: ProjectFile = FILE,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Make what the project file asks for and is not there yet."""
    if dry:
        _rehearse(target, project, actor, as_json=as_json)
        return
    if watch:
        from inhouse.cli.follow import Follower

        Follower(project, actor or login(), target, strict=strict, as_json=as_json).follow(
            loosen=loosen
        )
        return
    from inhouse.project.kinds import asked
    from inhouse.project.read import unlabelled

    with opened(project, actor) as house:
        if not as_json:
            print_unlabelled(unlabelled(house.config))
        try:
            ran = make(house, target, set(), loosen=loosen, strict=strict, quiet=as_json)
        except KeyboardInterrupt as stop:
            kept = str(stop) or "What was done is kept"
            stderr.print(f"Stopped. {kept}; go on with: inhouse run", highlight=False)
            raise typer.Exit(130) from None
        there = {ref.name for ref in house.catalog.heads("endpoints")}
        endpoints = [name for name in asked(house.config) if name in there]
    _end(ran, endpoints, as_json=as_json)


def _end(ran: Ran, endpoints: Sequence[str], *, as_json: bool) -> None:
    """Say what was made; exit with 1 if something costs more than its budget."""
    if as_json:
        print_json(plain(ran))
    else:
        _print(ran, endpoints)
    if over := _over_budget(ran):
        stderr.print(*over, sep="\n")
        raise typer.Exit(1)


def _over_budget(ran: Ran) -> Sequence[str]:
    """Return a line for each model that was made small and does not keep to its budget."""
    return [
        f"{step.planned.step.path} does not keep to its budget; the best that was found is kept. "
        f"See: inhouse show {step.planned.step.path}"
        for step in ran.followed
        if step.made.artifact.summary.get("within") is False
    ]


def _print(ran: Ran, endpoints: Sequence[str]) -> None:
    """Say what was made, and what to type next."""
    fresh = sum(step.made.fresh for step in ran.followed)
    console.print(f"{fresh} made, {len(ran.followed) - fresh} up to date.")
    for line in waiting(ran):
        console.print(line)
    _print_next(ran, endpoints)


def _print_next(ran: Ran, endpoints: Sequence[str]) -> None:
    releases = [f"inhouse release {f.planned.step.path}" for f in ran.followed if f.waits]
    if endpoints:
        print_next(*releases, f'inhouse ask {endpoints[0]} "your question"', "inhouse serve")
    else:
        print_next("inhouse ls")


def _rehearse(target: str | None, project: Path, actor: str | None, *, as_json: bool) -> None:
    """Show what the steps of a data set would do to a sample of its rows."""
    from inhouse.cli.explain import because
    from inhouse.cli.funnel import print_funnel
    from inhouse.core.errors import BadInput
    from inhouse.project.rows import rehearse

    if target is None:
        raise BadInput("A dry run is of one data set.", "Name it: inhouse run data/NAME --dry-run")
    with opened(project, actor) as house:
        found = rehearse(house, target)
    if as_json:
        print_json(found)
        return
    funnel = found["funnel"]
    console.print(f"A sample of {funnel[0]['rows']:,} of {found['of']:,} rows; nothing is kept.")
    print_funnel(funnel)
    examples = {(note["step"], note["rule"]): note for note in reversed(found["examples"])}
    if examples:
        console.print("\none row for each rule")
        rows = [(note["id"], f"step {note['step']}, {because(note)}") for note in examples.values()]
        print_table(("dropped by", "row"), sorted((why, row) for row, why in rows))
    print_next(f"inhouse run {target}")
