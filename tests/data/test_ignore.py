from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from inhouse.data.files import find, relative

FILES = {
    ".gitignore": "*.log\nbuild/\n/top.md\n!keep.log\n",
    ".git/info/exclude": "secret.md\n",
    "a.md": "",
    "x.log": "",
    "keep.log": "",
    "top.md": "",
    "secret.md": "",
    "build/b.md": "",
    "docs/.gitignore": "draft*\n!/x.log\n",
    "docs/top.md": "",
    "docs/draft.md": "",
    "docs/x.log": "",
    "docs/deep/x.log": "",
    "docs/deep/draft/c.md": "",
    "docs/deep/d.md": "",
}
SEEN = ["a.md", "docs/deep/d.md", "docs/top.md", "docs/x.log", "keep.log"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "repository" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "repository"


def names(root: Path, *patterns: str) -> list[str]:
    return [relative(path, root) for path in find(patterns, root)]


def test_a_repository_leaves_out_what_git_does(root: Path) -> None:
    assert names(root, ".") == SEEN
    assert names(root.parent, "repository") == [f"repository/{name}" for name in SEEN]
    assert names(root, "**/*.md") == [name for name in SEEN if name.endswith(".md")]


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_git_agrees(root: Path) -> None:
    shutil.rmtree(root / ".git")
    subprocess.run(["git", "init", "-q", root], check=True)
    (root / ".git/info/exclude").write_text("secret.md\n")
    listed = ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"]
    found = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split()
    assert sorted(n for n in found if not n.endswith(".gitignore")) == names(root, ".")


def test_what_a_pattern_spells_out_is_taken(root: Path) -> None:
    assert names(root, "top.md", "build") == ["build/b.md", "top.md"]


def test_outside_of_a_repository_nothing_is_left_out(root: Path) -> None:
    shutil.rmtree(root / ".git")
    assert len(names(root, ".")) == len(FILES) - 3


def test_a_repository_in_another_has_its_own_rules(root: Path) -> None:
    (root / "docs/deep/.git").write_text("gitdir: elsewhere")
    assert "docs/deep/x.log" in names(root, ".")


def test_a_rule_that_means_nothing_is_passed_over(root: Path) -> None:
    with (root / "docs/.gitignore").open("a") as rules:
        rules.write("!\n\\\n")
    assert names(root, ".") == SEEN
    test_git_agrees(root)


def test_rules_above_the_folder_that_is_named_hold_too(root: Path) -> None:
    seen = [name.removeprefix("docs/") for name in SEEN if name.startswith("docs/")]
    assert [relative(path, root / "docs") for path in find(["."], root / "docs")] == seen
    assert [relative(path, root) for path in find(["./docs/**/*"], root)] == [
        f"docs/{name}" for name in seen
    ]


def test_a_folder_that_is_left_out_can_be_named(root: Path) -> None:
    assert [relative(path, root) for path in find(["build"], root)] == ["build/b.md"]
