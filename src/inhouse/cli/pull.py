"""`inhouse pull`: bring a model into the store before a project asks for it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.progress import shown
from inhouse.cli.terminal import console, print_json, print_next, size


def pull(
    model: Annotated[str, typer.Argument(help="A name of the project, a built-in name, or a URL.")],
    name: Annotated[str | None, typer.Option("--name", help="What to call it.")] = None,
    project: ProjectFile = FILE,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a model, check it and keep it under a name."""
    with opened(project, actor) as house:
        with shown(quiet=as_json) as display:
            made = house.pull(model, name=name, progress=display.task(f"pulling {model}"))
        artifact = made.artifact
    if as_json:
        print_json(
            {
                "ref": artifact.ref.path,
                "version": artifact.ref.version,
                "digest": artifact.digest,
                "bytes": artifact.size,
                "made": made.fresh,
                "summary": dict(artifact.summary),
            }
        )
        return
    what = "pulled" if made.fresh else "is there already:"
    console.print(f"{what} {artifact.ref}  {size(artifact.size)}, digest {artifact.digest[:12]}")
    if artifact.ref.name not in house.config.models:
        console.print("To use it, add to inhouse.yaml under models:")
        console.print(f"  {artifact.ref.name}: {{from: {escape(model)}}}")
    print_next("inhouse models", "inhouse run")
