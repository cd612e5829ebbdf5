"""Writes the reference pages from the program itself: docs/reference/ is made, never edited.

``python docs/generate.py`` writes them, ``python docs/generate.py --check`` only compares. What
the words mean is said in the pages beside; here stands only what the program says of itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from inhouse.cli.app import app
from inhouse.project.schema import json_schema

REFERENCE = Path(__file__).parent / "reference"

CLI_INTRO = """\
# Command line reference

`inhouse VERB [OPTIONS]`. Every verb that reads a project takes `--project FILE` and finds
`inhouse.yaml` in the current folder by itself. With `--json` a verb prints one JSON object to
standard output and nothing else; progress and errors for people go to standard error. This page
is made from the program by `python docs/generate.py`.

## What do the exit codes mean?

| code | meaning |
| --- | --- |
| 0 | done; `why` says no with it too, as `allowed` in its `--json` |
| 1 | failed: the store, the disk, somebody else's API, or `doctor` found something bad |
| 2 | your mistake: a wrong argument, a wrong line in `inhouse.yaml`, a refusal, a name unknown |
| 130 | interrupted; what was finished is kept |
"""

YAML_INTRO = """\
# inhouse.yaml reference

A project file has the keys below and no others: an unknown key is an error with file, line and
the nearest key that exists. Paths are relative to the folder of the file. References are always
`section/name`, such as `data/handbook`. What the sections are for is said in
[Project](../project.md). This page is made from the program by `python docs/generate.py`.

## Where is the JSON schema for my editor? {#json-schema}

[inhouse.schema.json](inhouse.schema.json) lies beside this page. Editors with the YAML language
server check and complete a file that begins with

```yaml
# yaml-language-server: $schema=inhouse.schema.json
```
"""


def main(arguments: list[str]) -> int:
    """Write the reference, or compare it; return the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: python docs/generate.py [--check]", file=sys.stderr)
        return 2
    stale = [path for path, text in pages().items() if _read(path) != text]
    if arguments:
        for path in stale:
            print(f"docs/reference/{path.name} is stale; type: python docs/generate.py")
        return 1 if stale else 0
    REFERENCE.mkdir(exist_ok=True)
    for path in stale:
        path.write_text(pages()[path], encoding="utf-8", newline="\n")
        print(f"wrote docs/reference/{path.name}")
    return 0


def pages() -> dict[Path, str]:
    """Return every generated file with the text it should have."""
    schema = json_schema()
    return {
        REFERENCE / "cli.md": cli_page(),
        REFERENCE / "inhouse.yaml.md": yaml_page(schema),
        REFERENCE / "inhouse.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
    }


def verbs() -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
    """Yield every verb with its command, such as ``("keys create", …)``."""
    yield from _verbs(get_command(app), "")


def cli_page() -> str:
    """Return the page of the command line."""
    parts = [CLI_INTRO]
    for name, command in verbs():
        parts.append(f"## inhouse {name} {{#inhouse-{name.replace(' ', '-')}}}\n")
        parts.append(f"{command.help}\n")
        parts.append(f"```text\n{_usage(name, command)}\n```\n")
        rows = [_row(param) for param in command.params]
        if rows:
            parts.append("\n".join(("| | what it is |", "| --- | --- |", *rows)) + "\n")
    return "\n".join(parts)


def yaml_page(schema: Mapping[str, Any]) -> str:
    """Return the page of the project file."""
    definitions: Mapping[str, Mapping[str, Any]] = schema["$defs"]
    parts = [YAML_INTRO, "## Which keys stand at the top?\n", _keys(schema)]
    for name in sorted(definitions, key=lambda n: _order(schema, n)):
        entry = definitions[name]
        parts.append(f"## What may stand in {_a(name)} entry? {{#{name.lower()}}}\n")
        parts.append(f"{entry['description']}\n")
        parts.append(_keys(entry))
    return "\n".join(parts)


def _verbs(group: object, prefix: str) -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
    if not isinstance(group, TyperGroup):
        raise TypeError(f"the app is a {type(group).__name__}, not a group of verbs")
    for name, command in group.commands.items():
        if isinstance(command, TyperCommand):
            yield prefix + name, command
            continue
        if isinstance(command, TyperGroup) and command.invoke_without_command:
            yield prefix + name, command
        yield from _verbs(command, f"{prefix}{name} ")


def _usage(name: str, command: TyperCommand | TyperGroup) -> str:
    words = ["inhouse", name]
    for param in command.params:
        if isinstance(param, TyperArgument):
            shown = (param.name or "").upper()
            words.append(shown if param.required else f"[{shown}]")
        elif isinstance(param, TyperOption) and param.required:
            words += [param.opts[0], (param.name or "").upper()]
    options = any(isinstance(p, TyperOption) and not p.required for p in command.params)
    return " ".join([*words, *(["[OPTIONS]"] if options else [])])


def _row(param: object) -> str:
    if isinstance(param, TyperArgument):
        return f"| `{(param.name or '').upper()}` | {_told(param)} |"
    if isinstance(param, TyperOption):
        value = "" if param.is_flag else f" {(param.name or '').upper()}"
        return f"| {', '.join(f'`{o}{value}`' for o in param.opts)} | {_told(param)} |"
    raise TypeError(f"{type(param).__name__} is neither argument nor option")


def _told(param: TyperArgument | TyperOption) -> str:
    facts = []
    if param.required:
        facts.append("required")
    elif param.show_default and param.default not in (None, False, ""):
        facts.append(f"default `{param.default}`")
    if param.min is not None or param.max is not None:
        facts.append(f"from {param.min}" + ("" if param.max is None else f" to {param.max}"))
    if param.envvar:
        facts.append(f"environment variable `{param.envvar}`")
    text = (param.help or "").replace("|", "\\|").replace("[", "\\[")
    return f"{text} ({'; '.join(facts)})" if facts else text


def _keys(entry: Mapping[str, Any]) -> str:
    required = entry.get("required", [])
    rows = ["| key | what it is | type | default |", "| --- | --- | --- | --- |"]
    for key, field in entry["properties"].items():
        default = "required" if key in required else _shown(field.get("default"))
        told = field["description"].replace("|", "\\|")
        rows.append(f"| `{key}` | {told} | {_type(field)} | {default} |")
    return "\n".join(rows) + "\n"


def _shown(default: object) -> str:
    return "none" if default in (None, "", [], {}) else f"`{default}`"


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        name = str(field["$ref"]).rpartition("/")[2]
        return f"[{name} entry](#{name.lower()})"
    for choice in ("anyOf", "oneOf"):
        if choice in field:
            kinds = [_type(kind) for kind in field[choice] if kind.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds))
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    if field["type"] == "object":
        inner = field["additionalProperties"]
        return "mapping" if inner is True else f"mapping of name to {_type(inner)}"
    if field["type"] in ("integer", "number") and "maximum" in field:
        least = field["minimum"] if "minimum" in field else field["exclusiveMinimum"]
        return f"{least:g} to {field['maximum']:g}"
    plain = {"string": "text", "integer": "number", "number": "number", "boolean": "true or false"}
    kind = plain[field["type"]]
    return " or ".join(f"`{choice}`" for choice in field.get("enum", ())) or kind


def _order(schema: Mapping[str, Any], name: str) -> tuple[int, str]:
    """Return where an entry stands: in the order of the sections, what is inside them last."""
    sections = list(schema["properties"].values())
    for place, field in enumerate(sections):
        if f"/{name}'" in str(field.get("additionalProperties")):
            return place, name
    return len(sections), name


def _a(name: str) -> str:
    return f"an {name}" if name[0] in "AEIO" else f"a {name}"


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
