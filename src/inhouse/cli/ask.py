"""`inhouse ask`: one question to an endpoint, answered as it is written."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def ask(
    endpoint: Annotated[str, typer.Argument(help="The endpoint, as in the project file.")],
    question: Annotated[str, typer.Argument(help="What to ask.")],
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Longest answer.")] = 256,
    temperature: Annotated[
        float, typer.Option("--temperature", min=0, max=2, help="0 always answers the same.")
    ] = 0.0,
    project: ProjectFile = FILE,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Ask an endpoint; the answer cites the sections it rests on."""
    from inhouse.core.protocols import Sampling

    with opened(project, actor) as house:
        answered = house.ask(
            endpoint,
            question,
            sampling=Sampling(max_tokens=max_tokens, temperature=temperature),
            hear=(lambda text: None) if as_json else _write,
        )
    if as_json:
        print_json(
            {
                "answer": answered.text,
                "query": answered.query,
                "support": answered.support,
                "refused": answered.refused,
                "citations": [asdict(citation) for citation in answered.citations],
                "endpoint": answered.endpoint,
                "model": answered.model,
                "digest": answered.digest,
                "label": str(answered.label),
                "usage": asdict(answered.usage),
            }
        )
        return
    print()
    digest = f", digest {answered.digest[:12]}" if answered.digest else ""
    said = (
        f"{answered.model.partition('@')[0]}{digest}; the answer carries the label {answered.label}"
    )
    console.print(f"\n[dim]{escape(said)}[/]")


def _write(text: str) -> None:
    # Otherwise a document could give the terminal orders.
    print(CONTROL.sub("", text), end="", flush=True)
