"""What the pages show works: project files, commands, Python."""

import re
import shlex
import subprocess
import sys

import pytest
from docs_pages import OTHERS, PAGES, ROOT, blocks, inline
from typer.core import TyperArgument, TyperOption
from typer.main import get_command

from inhouse.cli.app import app
from inhouse.project.read import read
from inhouse.project.schema import ProjectFile
from inhouse.project.source import parse

WHOLE = 'title="inhouse.yaml"'


@pytest.mark.parametrize("block", [b for b in blocks("yaml") if WHOLE in b.extra], ids=str)
def test_whole_project_files_are_read(block, tmp_path):
    file = tmp_path / "inhouse.yaml"
    file.write_text(block.text, encoding="utf-8")
    project, _ = read(file)
    assert project.project


@pytest.mark.parametrize("block", [b for b in blocks("yaml") if WHOLE not in b.extra], ids=str)
def test_parts_of_project_files_have_known_keys(block, tmp_path):
    file = tmp_path / "inhouse.yaml"
    file.write_text(f"project: part\n{block.text}", encoding="utf-8")
    ProjectFile.model_validate(parse(file).plain())


def commands():
    """Return every shown `inhouse …` with its place."""
    found = []
    for block in blocks("sh", "console", "text"):
        for line in block.text.replace("\\\n", " ").splitlines():
            shown = line.removeprefix("$ ")
            prompted = block.language != "text" or line.startswith("$ ")
            if prompted and shown.startswith("inhouse "):
                found.append((str(block), shown))
    for page in [*PAGES, *OTHERS]:
        found += [(page.name, code) for code in inline(page) if code.startswith("inhouse ")]
    return found


@pytest.mark.parametrize(("place", "shown"), commands())
def test_shown_commands_exist(place, shown):
    words = shlex.split(shown, comments=True)[1:]
    command, name = get_command(app), "inhouse"
    while (inner := getattr(command, "commands", None)) is not None:
        own = {option for param in command.params for option in param.opts} | {"--help"}
        while words and words[0].startswith("-"):
            if command.invoke_without_command:
                break
            assert words.pop(0) in own, f"{place}: {shown}"
        if not words or words[0] == "VERB":
            return
        if words[0].startswith("-"):  # a group that is a verb as well
            break
        assert words[0] in inner, f"{place}: there is no verb {name} {words[0]}"
        name, command = f"{name} {words[0]}", inner[words.pop(0)]
    options = {o: p for p in command.params if isinstance(p, TyperOption) for o in p.opts}
    places = [p for p in command.params if isinstance(p, TyperArgument)]
    given = 0
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            given += 1
            continue
        assert word in options or word == "--help", f"{place}: {name} has no {word}"
        if word in options and not options[word].is_flag:
            assert words, f"{place}: {word} needs a value"
            words.pop(0)
    many = any(place.nargs < 0 for place in places)
    assert many or given <= len(places), f"{place}: {shown!r} has too many arguments"


@pytest.mark.slow
def test_python_uses_what_exists(tmp_path):
    for number, block in enumerate(blocks("python")):
        file = tmp_path / f"{block.page.stem}_{number}.py"
        file.write_text(block.text, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [*command, *map(str, sorted(tmp_path.glob("*.py")))],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "block",
    [b for b in blocks("python") if b.page.name == "core.md"],
    ids=str,
)
def test_examples_of_extensions_run(block):
    exec(compile(block.text, str(block), "exec"), {"__name__": "example"})


def test_no_example_is_lost():
    assert any(WHOLE in b.extra for b in blocks("yaml"))
    assert len(commands()) > 20
    assert any(re.search(r"class \w+\(Loaders\)", b.text) for b in blocks("python"))
