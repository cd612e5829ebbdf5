"""A run serves new documents by itself; everything else waits for somebody who releases it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from small_project import edit, opened, write

from inhouse.core.artifact import Artifact, Ref
from inhouse.core.errors import BadInput, NotFound
from inhouse.knowledge import index
from inhouse.project.project import Project
from inhouse.project.release import history, release, roll_back

DESK = Ref.parse("endpoints/desk")
WAITS = "inhouse release endpoints/desk"


def served(project: Project) -> Artifact:
    return project.catalog.get(DESK)


def top(project: Project) -> int:
    return int(served(project).params["top"])


def run(file: Path) -> set[str]:
    """Run, and return what waits."""
    with opened(file) as project:
        return {f.planned.step.path for f in project.run() if f.waits}


def set_top(file: Path, value: int, before: int = 5) -> None:
    if before == 5:
        edit(file, "knowledge: knowledge/desk", f"knowledge: knowledge/desk\n    top: {value}")
    else:
        edit(file, f"top: {before}", f"top: {value}")


def documents(project: Project) -> set[str]:
    """The documents in the index that is served."""
    (knowledge,) = (e.parent for e in served(project).parents if e.role == "knowledge")
    found = project.catalog.get(knowledge)
    (data,) = (e.parent for e in found.parents if e.parent.section == "data")
    return {name for name, _ in project.catalog.get(data).params["files"]}


def forget(file: Path, *names: str) -> None:
    for name in names:
        (file.parent / name).unlink()


def states(project: Project, paths: Iterable[str]) -> list[tuple[str, str]]:
    planned = {p.step.path: (p.status, p.reason) for p in project.plan().steps}
    return [planned[path] for path in paths]


def test_the_first_version_is_served_at_once(made: Path):
    with opened(made) as project:
        assert project.catalog.releases.waiting() == []
        assert [(r.ref, r.actor) for r in history(project, "desk")] == [
            (served(project).ref, "ana")
        ]


def test_new_documents_are_served_by_the_run(made: Path):
    write(made.parent, {"docs/memos/three.md": "# Three\n\nText.\n"})
    assert run(made) == set()
    with opened(made) as project:
        assert "docs/memos/three.md" in documents(project)
        # It is the same release, over other documents.
        assert [r.ref for r in history(project, "desk")] == [served(project).ref]
    edit(made, "desk: {from: data/memos,", "desk: {from: [data/handbook],")
    assert run(made) == set()
    with opened(made) as project:
        assert documents(project) == {"docs/handbook/leave.md"}


def test_a_setting_waits_and_documents_go_on(made: Path):
    set_top(made, 7)
    assert run(made) == {"endpoints/desk"}
    with opened(made) as project:
        assert top(project) == 5
        assert states(project, ["endpoints/desk"]) == [("waits for", WAITS)]
        assert not project.plan().changes
    forget(made, "docs/memos/one.md")
    assert run(made) == {"endpoints/desk"}
    with opened(made) as project:
        assert (top(project), documents(project)) == (5, {"docs/memos/two.md"})
        before = served(project).ref
        released = release(project, "endpoints/desk")
        assert (released.ref, released.before) == (served(project).ref, before)
        assert [(c.name, c.before, c.after) for c in released.changes] == [("top", "5", "7")]
        assert (top(project), documents(project)) == (7, {"docs/memos/two.md"})
        assert states(project, ["endpoints/desk"]) == [("up to date", "")]
        entry = [e for e in project.catalog.audit() if e.action == "release"][-1]
        assert (entry.actor, entry.thing, entry.note) == ("ana", str(released.ref), "top: 5 -> 7")
        assert release(project, "desk").changes == ()
    assert run(made) == set()


def test_another_model_waits(made: Path):
    edit(made, ', name: echo, key: "${SMALL_KEY}"}', ', name: other, key: "${SMALL_KEY}"}')
    assert run(made) == {"endpoints/desk"}
    with opened(made) as project:
        assert served(project).params["api"]["name"] == "echo"
        (change,) = release(project, "desk").changes
        assert change.name == "api"
        assert '"other"' in change.after


def test_after_an_upgrade_the_next_run_serves_an_index_that_the_program_can_read(
    made: Path, monkeypatch: pytest.MonkeyPatch
):
    import dataclasses

    newer = dataclasses.replace(index.STAGE, code=index.STAGE.code + 1)
    monkeypatch.setattr(index, "STAGE", newer)
    set_top(made, 7)
    forget(made, "docs/memos/one.md")
    assert run(made) == {"endpoints/desk"}
    with opened(made) as project:
        assert (top(project), documents(project)) == (5, {"docs/memos/two.md"})
        assert [c.name for c in release(project, "desk").changes] == ["top"]


def test_pinned_documents_wait(made: Path):
    edit(made, "knowledge: knowledge/desk", "knowledge: knowledge/desk\n    pin: knowledge")
    assert run(made) == set()
    write(made.parent, {"docs/memos/three.md": "# Three\n\nText.\n"})
    assert run(made) == {"endpoints/desk"}
    with opened(made) as project:
        assert "docs/memos/three.md" not in documents(project)
        release(project, "desk")
        assert "docs/memos/three.md" in documents(project)
        roll_back(project, "desk")
        assert "docs/memos/three.md" not in documents(project)


def test_a_rollback_takes_the_documents_of_today(made: Path):
    set_top(made, 7)
    run(made)
    with opened(made) as project:
        release(project, "desk")
    forget(made, "docs/memos/one.md")
    assert run(made) == set()
    with opened(made) as project:
        back = roll_back(project, "desk")
        assert [(c.name, c.before, c.after) for c in back.changes] == [("top", "7", "5")]
        assert (top(project), documents(project)) == (5, {"docs/memos/two.md"})


def test_a_run_does_not_release_again_what_was_rolled_back(made: Path):
    set_top(made, 7)
    run(made)
    with opened(made) as project:
        release(project, "desk")
        roll_back(project, "desk")
        with pytest.raises(BadInput, match="Nothing was released"):
            roll_back(project, "desk")
    write(made.parent, {"docs/memos/three.md": "# Three\n\nText.\n"})
    for _ in range(2):
        assert run(made) == {"endpoints/desk"}
        with opened(made) as project:
            assert top(project) == 5
            assert "docs/memos/three.md" in documents(project)
            assert states(project, ["endpoints/desk"]) == [("waits for", WAITS)]
    with opened(made) as project:
        release(project, "desk")
        assert top(project) == 7


def test_an_older_version_is_released_by_name(made: Path):
    with opened(made) as project:
        first = served(project).ref
    set_top(made, 7)
    run(made)
    with opened(made) as project:
        release(project, "desk")
        assert release(project, "desk", (first.version or "")[:12]).ref == first
        assert top(project) == 5
        roll_back(project, "desk")
        assert top(project) == 7
        with pytest.raises(NotFound):
            release(project, "desk", "00000000")
        with pytest.raises(NotFound, match="'desk'"):
            release(project, "dsk")


def test_what_a_rollback_needs_outlives_a_collection(made: Path):
    set_top(made, 7)
    run(made)
    with opened(made) as project:
        project.catalog.collect(by="ana")  # with a version that waits
        release(project, "desk")
    forget(made, "docs/memos/one.md")
    run(made)
    with opened(made) as project:
        gone = project.catalog.collect(by="ana").artifacts
        assert {ref.section for ref in gone} >= {"data", "knowledge"}  # and what was deleted goes
        roll_back(project, "desk")
        assert (top(project), documents(project)) == (5, {"docs/memos/two.md"})


def test_a_store_from_before_has_its_first_release(made: Path):
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(made.parent / ".inhouse" / "catalog.db")) as old, old:
        for change in (
            "DROP TABLE releases",
            "DROP TABLE candidates",
            "DROP TABLE secrets",
            "DROP TABLE trials",
            "DROP TABLE limits",
            "DELETE FROM migrations WHERE number >= 2",
        ):
            old.execute(change)
    set_top(made, 7)
    assert run(made) == {"endpoints/desk"}
    with opened(made) as project:
        release(project, "desk")
        roll_back(project, "desk")
        assert top(project) == 5
