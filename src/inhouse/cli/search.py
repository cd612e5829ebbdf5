"""`inhouse search`: the sections of a knowledge base that fit a query."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json

SHOWN = 300


def search(
    knowledge: Annotated[str, typer.Argument(help="The knowledge base, as in the project file.")],
    query: Annotated[str, typer.Argument(help="What to look for.")],
    top: Annotated[int, typer.Option("--top", min=1, max=50, help="How many sections.")] = 5,
    project: ProjectFile = FILE,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Find sections that the actor may read, by meaning and by words."""
    from inhouse.core.nouns import SUPPORTED
    from inhouse.serve.search import shown

    with opened(project, actor) as house:
        found = house.search(knowledge, query, top=top)
    if as_json:
        print_json(
            {
                "query": found.query,
                "support": found.support,
                "hits": [shown(hit) for hit in found.hits],
            }
        )
        return
    for number, hit in enumerate(found.hits, 1):
        anchor = f"#{hit.section.anchor}" if hit.section.anchor else ""
        heading = " › ".join(hit.section.headings)
        console.print(f"[bold]{number}. {escape(heading)}[/]  {hit.score:.2f}")
        console.print(f"   [dim]{escape(hit.section.document + anchor)}[/]")
        words = " ".join(hit.passage.split())
        console.print(f"   {escape(words[:SHOWN])}{'…' if len(words) > SHOWN else ''}")
    if not found.hits:
        console.print("Nothing is in the documents that you may read.")
        return
    refused = "" if found.support >= SUPPORTED else ": an endpoint would refuse to answer"
    console.print(f"\n[dim]support {found.support:.2f}{refused}[/]")
