"""`inhouse evaluate`: how well a knowledge base does on a suite of questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.progress import shown
from inhouse.cli.terminal import console, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def evaluate(
    knowledge: Annotated[str, typer.Argument(help="knowledge/NAME.")],
    suite: Annotated[str, typer.Argument(help="suites/NAME.")],
    project: ProjectFile = FILE,
    actor: As = "",
    as_json: AsJson = False,
) -> None:
    """Measure a knowledge base with a suite of questions."""
    with opened(project, actor) as house:
        with shown(quiet=as_json) as display:
            progress = display.task(f"{knowledge} on {suite}")
            made, report = house.evaluate(knowledge, suite, progress=progress)
        ref = str(made.artifact.ref)
    if as_json:
        print_json({"ref": ref, "digest": made.artifact.digest, "made": made.fresh, **report})
        return
    columns = ("questions", *report["metrics"])
    print_table(columns, _rows(report))
    if report["worst"]:
        console.print("\nwent worst")
    for missed in report["worst"]:
        place = f"place {missed['place']}" if missed["place"] else "not found"
        console.print(
            f"  {escape(missed['query'])}  [dim]{place}; first: {escape(missed['first'])}[/]"
        )
    console.print(f"\n[dim]kept as {ref}[/]")


def _rows(report: Mapping[str, Any]) -> Iterator[list[str]]:
    for kind, figures in {"all": report["metrics"], **report["kinds"]}.items():
        cells = (f"{f['value']:.3f} ({f['low']:.3f}-{f['high']:.3f})" for f in figures.values())
        yield [kind or "other", *cells]
