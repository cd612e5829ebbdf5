"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "inhouse"
MODULES = {file.relative_to(SOURCE).as_posix(): file for file in sorted(SOURCE.rglob("*.py"))}
TREES = {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in MODULES.items()}

LINES = 400
FUNCTION_LINES = 50
ARGUMENTS = 6

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[str, Function]]:
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"{name}:{node.lineno} {node.name}", node


def test_modules_are_short():
    lengths = {name: len(file.read_text("utf-8").splitlines()) for name, file in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > LINES} == {}


def test_functions_are_short():
    lengths = {where: node.end_lineno - node.lineno + 1 for where, node in functions()}
    assert {where: length for where, length in lengths.items() if length > FUNCTION_LINES} == {}


def test_functions_take_few_arguments():
    def count(node: Function) -> int:
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        return sum(argument.arg not in ("self", "cls") for argument in given)

    counts = {where: count(node) for where, node in functions() if not where.startswith("cli/")}
    assert {where: many for where, many in counts.items() if many > ARGUMENTS} == {}


def test_programs_of_ours_do_not_load_what_lies_where_they_are_started():
    """Without -P the folder of a user's project comes before all modules."""
    started = re.compile(r"sys\.executable\W+\"-m\"")
    texts = {name: file.read_text("utf-8") for name, file in MODULES.items()}
    assert [name for name, text in texts.items() if started.search(text)] == []


def public(tree: ast.AST) -> Iterator[ast.ClassDef | Function]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def test_what_is_public_says_what_it_does():
    silent = [name for name, tree in TREES.items() if not ast.get_docstring(tree)]
    for name, tree in TREES.items():
        silent += [f"{name}:{n.lineno} {n.name}" for n in public(tree) if not ast.get_docstring(n)]
    assert silent == []


def test_only_the_command_line_prints():
    found = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        if not name.startswith("cli/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert found == []


def tracked() -> list[Path]:
    """Every file of the repository that is text: those under version control, and new ones."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a clone with git at hand")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in done.stdout.split("\0") if name]
    # The Makefile looks for test data beside the clone, which is where a workplace may put it.
    files = [file for file in files if file.is_file() and file.name != "Makefile"]
    return [file for file in files if b"\0" not in file.read_bytes()[:8000]]


# Taken apart, since this file is one of those that are looked through.
FORBIDDEN = {
    "a path of one machine": re.compile("/wo" + "rk/|/ro" + r"ot/|\.\./sha" + "red"),
    "the host of a package registry": re.compile(
        "pypi" + r"\.org|python" + r"hosted\.org|registry" + r"\.npmjs|crates" + r"\.io",
        re.IGNORECASE,
    ),
    "work left for later": re.compile(r"\b(TO" + "DO|FIX" + "ME|XX" + r"X)\b"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_what_stands_in_no_file(what: str):
    found = []
    for file in tracked():
        for number, line in enumerate(file.read_text("utf-8", errors="replace").splitlines(), 1):
            if FORBIDDEN[what].search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert found == []


def test_arrows_point_down():
    program = Path(sys.executable).with_name("lint-imports")
    if not program.exists():
        pytest.skip("import-linter is not installed")
    done = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_core_stands_on_the_standard_library():
    found = set()
    for name, tree in TREES.items():
        for node in ast.walk(tree) if name.startswith("core/") else ():
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").partition(".")[0])
    # numpy only names types there, and is never imported when the program runs.
    assert found - sys.stdlib_module_names == {"inhouse", "numpy"}
