"""`inhouse init`: a project file that runs as it is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from inhouse.cli.options import AsJson, login
from inhouse.cli.terminal import console, print_json, print_next

STARTER = """\
# What this project is made of. `inhouse plan` says what a run would do; `inhouse run` does it.
project: {name}
store: ./.inhouse

# Who is in which group. What carries a group's label answers nobody else.
groups:
  team: [{login}]

# Documents: globs, folders or files, relative to this file.
data:
  documents: {{from: "{pattern}", label: team}}

# Models: a built-in name, or pypi://…, hf://ORG/NAME@COMMIT, file:PATH.
models:
  base:   {{from: smollm2-135m-instruct}}   # writes
  minilm: {{from: minilm-l6}}               # finds

# Sections of the documents, searchable by meaning and by words.
knowledge:
  handbook: {{from: data/documents, embed: models/minilm}}

# Names that answer, over HTTP (`inhouse serve`) and on the command line (`inhouse ask`).
endpoints:
  desk: {{model: models/base, knowledge: knowledge/handbook, top: 5}}
"""

WELCOME = """\
# Welcome

This page is a first document, so that there is something to find. Put your own Markdown, HTML, PDF
or Word files beside it and type `inhouse run`: only what is new is read.

## How do I ask a question?

Type `inhouse ask desk "your question"`. The answer cites the sections that it rests on.

## Who may see the answers?

The documents carry the label `team`. Only the people whom `inhouse.yaml` lists in that group can
search them or ask an endpoint that stands on them; everybody else is refused.
"""


def init(
    folder: Annotated[Path, typer.Argument(help="Where the project is to be.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Write a commented project file for your documents.

    A folder without documents gets an example.
    """
    from inhouse.core.errors import BadInput

    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise BadInput(f"{path} is a file, not a folder.", "Name the folder it lies in.")
    file = folder / "inhouse.yaml"
    if file.exists():
        raise BadInput(f"{file} is there already.", "Edit it, or remove it first.")
    folder.mkdir(parents=True, exist_ok=True)
    written = [file]
    pattern = _pattern(folder)
    if pattern is None:
        pattern = "./docs"
        welcome = folder / "docs" / "welcome.md"
        welcome.parent.mkdir(exist_ok=True)
        welcome.write_text(WELCOME, encoding="utf-8")
        written.append(welcome)
    text = STARTER.format(name=_scalar(_name(folder)), login=_scalar(login()), pattern=pattern)
    file.write_text(text, encoding="utf-8")
    if as_json:
        print_json({"written": [str(path) for path in written], "documents": pattern})
        return
    for path in written:
        console.print(f"wrote {escape(str(path))}")
    console.print(f"documents: {pattern}")
    inside = [] if folder == Path() else [f"cd {shlex.quote(str(folder))}"]
    print_next(*inside, "inhouse plan", "inhouse run")


def _pattern(folder: Path) -> str | None:
    """Return the pattern for the documents that lie in a folder, or None if there are none."""
    from inhouse.data.parse import PARSERS

    docs = folder / "docs"
    if docs.is_dir() and any(p.suffix.lower() in PARSERS for p in docs.rglob("*")):
        return "./docs"
    if any(p.suffix.lower() in PARSERS for p in folder.rglob("*") if ".inhouse" not in p.parts):
        return "./**/*"
    return None


def _name(folder: Path) -> str:
    name = re.sub(r"[^a-z0-9._-]+", "-", folder.resolve().name.lower()).strip("-._")
    return name or "project"


def _scalar(name: str) -> str:
    """Return a name as YAML, in quotes if it could be read as a number, a date or yes."""
    import yaml

    return yaml.safe_dump([name], default_flow_style=True, width=1000, allow_unicode=True)[1:-2]
