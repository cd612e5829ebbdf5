from __future__ import annotations

import os
from pathlib import Path

import pytest

from inhouse.core.errors import BadInput
from inhouse.data.files import UNMATCHED, find, relative, survey

FILES = (
    "docs/a.md",
    "docs/b.txt",
    "docs/deep/c.md",
    "docs/deep/er/d.md",
    "docs/.hidden.md",
    "docs/.git/e.md",
    "team-x/f.md",
    ".inhouse/g.md",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "project"


def left_out(root: Path, *patterns: str, known: bool = False) -> dict[str, str]:
    found = survey(patterns, root, known=known).left_out
    return {relative(path, root): why for path, why in found.items()}


def names(root: Path, *patterns: str) -> list[str]:
    return [relative(path, root) for path in find(patterns, root)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("./docs/**/*.md", ["docs/a.md", "docs/deep/c.md", "docs/deep/er/d.md"]),
        ("docs/*.md", ["docs/a.md"]),
        ("docs", ["docs/a.md", "docs/b.txt", "docs/deep/c.md", "docs/deep/er/d.md"]),
        ("docs/deep/**", ["docs/deep/c.md", "docs/deep/er/d.md"]),
        ("docs/**/er/*", ["docs/deep/er/d.md"]),
        ("docs/a.md", ["docs/a.md"]),
        ("docs/[ab].*", ["docs/a.md", "docs/b.txt"]),
        ("docs/?.md", ["docs/a.md"]),
        ("team-*", ["team-x/f.md"]),
        ("docs/.git", ["docs/.git/e.md"]),
        ("docs/../team-x/*.md", ["team-x/f.md"]),
    ],
)
def test_patterns(root: Path, pattern: str, expected: list[str]) -> None:
    assert names(root, pattern) == expected


def test_a_file_named_twice_comes_once(root: Path) -> None:
    assert names(root, "docs/b.txt", "docs", "docs/a.md")[:2] == ["docs/a.md", "docs/b.txt"]
    assert len(names(root, "docs", "docs")) == 4


@pytest.mark.parametrize("pattern", ["docs/*.pdf", "nowhere", "nowhere/**/*.md", "docs/a.md/*"])
def test_a_pattern_that_matches_nothing_is_named(root: Path, pattern: str) -> None:
    with pytest.raises(BadInput, match="Nothing matches") as caught:
        find(["docs", pattern], root)
    assert repr(pattern) in caught.value.what


def test_a_folder_outside_the_project_can_be_named(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere" / "x.md"
    outside.parent.mkdir()
    outside.write_text("x")
    assert find([str(outside.parent)], root) == [outside]
    assert names(root, "../elsewhere") == [outside.as_posix()]
    assert root / relative(outside, root) == outside


def test_a_name_that_is_no_text_is_left_out(root: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(root / "docs") + b"/\xff.md")).write_text("text")
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    found = survey(["docs/*.md"], root)
    assert [relative(path, root) for path in found.files] == ["docs/a.md"]
    assert left_out(root, "docs/*.md") == {"docs/\\xff.md": "Its name is not in UTF-8. Rename it."}


def test_a_folder_may_become_empty_and_not_begin_so(root: Path) -> None:
    for path in (root / "team-x").iterdir():
        path.unlink()
    with pytest.raises(BadInput, match="Nothing matches"):
        survey(["team-x"], root)
    assert survey(["team-x/*.md"], root, known=True).files == []
    assert left_out(root, "docs", "team-x/*.mdd", known=True) == {"team-x/*.mdd": UNMATCHED}
    (root / "team-x").rmdir()
    with pytest.raises(BadInput, match="Nothing matches"):
        survey(["team-x"], root, known=True)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_folder_that_cannot_be_listed_is_left_out(root: Path) -> None:
    (root / "docs/deep").chmod(0)
    try:
        assert names(root, "docs") == ["docs/a.md", "docs/b.txt"]
        assert left_out(root, "docs") == {
            "docs/deep": "The folder cannot be listed: Permission denied."
        }
    finally:
        (root / "docs/deep").chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_link_into_a_folder_that_cannot_be_entered_is_left_out(root: Path) -> None:
    (root / "docs/in.md").symlink_to(root / "team-x/f.md")
    (root / "team-x").chmod(0)
    try:
        assert left_out(root, "docs") == {"docs/in.md": "It cannot be reached: Permission denied."}
    finally:
        (root / "team-x").chmod(0o755)


def test_links_lead_neither_out_nor_in_circles(root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("secret")
    try:
        (root / "docs/out.md").symlink_to(secret)
    except OSError:
        pytest.skip("this user may not make symbolic links")
    (root / "docs/loop").symlink_to(root / "docs", target_is_directory=True)
    (root / "docs/in.md").symlink_to(root / "team-x/f.md")
    (root / "docs/broken.md").symlink_to(root / "nothing.md")
    (root / "docs/circle.md").symlink_to(root / "docs/circle.md")
    assert names(root, "docs/**/*.md") == [
        "docs/a.md",
        "docs/deep/c.md",
        "docs/deep/er/d.md",
        "docs/in.md",
    ]
    found = left_out(root, "docs/**")
    assert {path: reason.partition(".")[0] for path, reason in found.items()} == {
        "docs/out.md": "It is a link that leads elsewhere",
        "docs/loop": "It is a link to a folder, which is not entered",
        "docs/broken.md": "It is a link that leads nowhere",
        "docs/circle.md": "It is a link that leads nowhere",
    }
