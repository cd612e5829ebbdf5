"""The words people type: which there are, and that saying them costs nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import typer
from small_project import inhouse

from inhouse.cli.app import app

HEAVY = ("numpy", "torch", "openvino", "openvino_genai", "transformers", "pydantic", "sqlalchemy",
         "starlette", "uvicorn", "aiohttp", "yaml", "tokenizers", "jinja2", "asyncio",
         "urllib.request", "sqlite3", "huggingface_hub")  # fmt: skip

SHARED = {"--project", "-p", "--json"}
ACTOR = {"--actor", "-a"}
LIMITS = {"--only", "--requests-per-minute", "--tokens-per-day", "--concurrent"}

# Everything that can be typed. Whoever adds to it has thought twice.
WORDS: dict[str, tuple[list[str], set[str]]] = {
    "": ([], {"--version", "--debug", "--install-completion", "--show-completion"}),
    "ask": (["endpoint", "question"], SHARED | ACTOR | {"--max-tokens", "--temperature"}),
    "diff": (["before", "after"], SHARED | ACTOR),
    "doctor": ([], {"--offline", "--json"}),
    "evaluate": (["things"], SHARED | ACTOR),
    "explain": (["ref", "row"], SHARED | ACTOR),
    "export": (["ref", "folder"], SHARED | ACTOR | {"--format", "--precision"}),
    "feedback": ([], SHARED | ACTOR | {"--since", "--endpoint", "--score", "--last", "--to"}),
    "gc": ([], SHARED | {"--dry-run"}),
    "init": (["folder"], {"--json"}),
    "keys change": (["id"], SHARED | LIMITS),
    "keys create": ([], SHARED | ACTOR | LIMITS | {"--days"}),
    "keys ls": ([], SHARED),
    "keys revoke": (["id"], SHARED),
    "lineage": (["ref"], SHARED),
    "ls": (["what"], SHARED | ACTOR),
    "models": ([], SHARED),
    "plan": (["target"], SHARED),
    "pull": (["model"], SHARED | ACTOR | {"--name"}),
    "release": (
        ["endpoint", "version"],
        SHARED | ACTOR | {"--canary", "--shadow", "--compare", "--history"},
    ),
    "rollback": (["endpoint"], SHARED | ACTOR),
    "run": (["target"], SHARED | ACTOR | {"--dry-run", "--loosen", "--strict", "--watch"}),
    "search": (["knowledge", "query"], SHARED | ACTOR | {"--top"}),
    "serve": ([], SHARED | {"--host", "--port", "--workers", "--log", "--drain"}),
    "show": (["ref"], SHARED | ACTOR | {"--curves"}),
    "traces": (
        [],
        SHARED
        | ACTOR
        | {"--since", "--endpoint", "--state", "--contains", "--feedback", "--shadow"}
        | {"--last", "--follow", "-f"},
    ),
    "traces erase": (["ids"], SHARED | ACTOR),
    "traces roll": ([], SHARED),
    "traces show": (["id"], SHARED),
    "why": (["ref"], SHARED | ACTOR),
}


def commands() -> dict[str, typer.core.TyperCommand]:
    found = {}
    whole = typer.main.get_command(app)
    for name, command in {"": whole, **whole.commands}.items():
        inner = getattr(command, "commands", {}) if name else {}
        found |= {f"{name} {word}": one for word, one in inner.items()}
        if not inner or command.invoke_without_command:
            found[name] = command
    return found


def test_all_words_and_no_others():
    said = {}
    for name, command in commands().items():
        arguments = [p.name for p in command.params if p.param_type_name == "argument"]
        options = {o for p in command.params for o in p.opts if p.param_type_name == "option"}
        said[name] = (arguments, options - {"--help"})
    assert said == WORDS


def test_every_word_and_flag_is_explained():
    for name, command in commands().items():
        assert command.help, name
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{name}: {parameter.name}"


def test_saying_them_imports_nothing_heavy():
    program = "import inhouse.cli, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert loaded & set(HEAVY) == set()
    assert (
        not {name for name in loaded if name.startswith("inhouse.") and "core" not in name}
        - {f"inhouse.cli.{file.stem}" for file in Path("src/inhouse/cli").glob("*.py")}
        - {"inhouse.cli"}
    )


def test_help_lists_every_verb(tmp_path: Path):
    for columns in ("200", "80"):
        helped = inhouse("--help", cwd=tmp_path, COLUMNS=columns, NO_COLOR="1")
        assert (helped.returncode, helped.stderr) == (0, "")
        commands = helped.stdout.partition("Commands:")[2]
        listed = set(re.findall(r"^  ([a-z]+)(?: |$)", commands, re.MULTILINE))
        assert listed == {name.partition(" ")[0] for name in WORDS if name}
        assert all(len(line) <= int(columns) for line in helped.stdout.splitlines())
    assert list(tmp_path.iterdir()) == []


def test_nothing_said_shows_help(tmp_path: Path):
    said = inhouse(cwd=tmp_path)
    assert said.returncode == 2
    assert "Usage: " in said.stderr


def test_the_version(tmp_path: Path):
    from inhouse import __version__

    assert inhouse("--version", cwd=tmp_path).stdout == f"{__version__}\n"
