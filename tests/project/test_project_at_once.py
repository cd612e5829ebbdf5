"""Several processes on one project at the same moment: none harms another."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_project import PROGRAM, edit, environment, inhouse, opened, write

from inhouse.core.artifact import Ref

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="slow to start processes")


def begun(*words: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *words], cwd=cwd, env=environment(), encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(*processes: subprocess.Popen[str]) -> list[str]:
    """Wait for all; return what each said."""
    said = []
    for process in processes:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, output + errors
        assert "Traceback" not in errors
        said.append(output + errors)
    return said


def made(file: Path) -> dict[str, int]:
    """Return how often each name was made, after a check of everything in the store."""
    with opened(file) as project:
        for artifact in project.catalog.list():
            project.catalog.load(artifact.ref)
        assert not project.plan().changes
        assert not project.catalog.blobs.unfinished_versions()
        entries = [e for e in project.catalog.audit(last=10_000) if e.action == "make"]
    paths = [Ref.parse(entry.thing).path for entry in entries]
    return {path: paths.count(path) for path in paths}


def test_the_same_is_made_once(file: Path):
    runs = [begun("run", cwd=file.parent) for _ in range(3)]
    said = ended(*runs)
    assert sum("is part of another run" in words for words in said) >= 1
    assert set(made(file).values()) == {1}
    counts = [words.partition(" made, ")[0].splitlines()[-1] for words in said]
    assert sorted(counts) == ["0", "0", "8"]


def test_different_targets_share_what_both_need(file: Path):
    targets = ("knowledge/desk", "knowledge/all", "endpoints/desk", "endpoints/open")
    ended(*(begun("run", target, cwd=file.parent) for target in targets))
    assert set(made(file).values()) == {1}


def test_who_waits_makes_what_is_there_by_then(made_and_held: tuple[Path, subprocess.Popen[str]]):
    file, waiting = made_and_held
    edit(file.parent / "docs/memos/one.md", "seventy", "eight")
    edit(file, "buy-side: [ana, bo]", "buy-side: [ana]")
    (said,) = ended(begun("search", "all", "price", cwd=file.parent))
    assert "seven" in said  # readers wait for nobody, and see what was made before
    with opened(file) as project:
        assert project.plan().changes
        project.catalog.access.apply(project.groups, {}, by="ana")
    assert waiting.poll() is None


@pytest.fixture
def made_and_held(made: Path):
    """A project in which a name is held, and a run that waits for it; it ends well."""
    edit(made.parent / "docs/memos/one.md", "seven", "seventy")
    with opened(made) as project:
        with project.catalog.alone(["data/memos"], lambda name: None):
            waiting = begun("run", cwd=made.parent)
            assert waiting.stderr
            assert "waits: data/memos is part of another run" in waiting.stderr.readline()
            yield made, waiting
        ended(waiting)
        found = project.search("all", "price")
        assert "eight" in found.hits[0].passage
        # The project file was read anew too: bo, who was taken out, is not put back.
        assert project.catalog.access.groups().get("bo", frozenset()) == frozenset()


def test_what_is_up_to_date_is_waited_for_by_nobody(made: Path):
    with opened(made) as project, project.catalog.alone(["data/memos"], lambda name: None):
        edit(made, "knowledge: knowledge/desk", "knowledge: knowledge/other")
        edit(made, "  desk: {from: data/memos", "  other: {from: data/memos")
        (said,) = ended(begun("run", "knowledge/other", cwd=made.parent))
        assert "waits" not in said
        assert "made knowledge/other" in said


def test_a_run_undoes_nothing_that_was_done_since_it_was_opened(made: Path):
    with opened(made) as early:
        edit(made, "buy-side: [ana, bo]", "buy-side: [ana]")
        edit(made, "knowledge: knowledge/desk", "knowledge: knowledge/other")
        edit(made, "  desk: {from: data/memos", "  other: {from: data/memos")
        with opened(made) as late:
            late.run()
        early.run("endpoints/desk")  # which by now needs another knowledge base
        assert early.catalog.access.groups().get("bo", frozenset()) == frozenset()
        assert not early.plan().changes


def test_a_run_and_readers_at_once(made: Path):
    folder = made.parent
    write(folder, {f"docs/memos/more{i}.md": f"# More {i}\n\nText {i}.\n" for i in range(200)})
    run = begun("run", cwd=folder)
    words = (["plan"], ["ls"], ["show", "data/memos"], ["search", "all", "price seven"])
    for said in ended(*(begun(*each, "--json", cwd=folder) for each in words)):
        assert "error" not in json.loads(said)
    ended(run)
    assert inhouse("plan", cwd=folder).stdout.endswith("Everything is up to date.\n")
