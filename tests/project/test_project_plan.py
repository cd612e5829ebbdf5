"""A plan says what a run would do, why and for whom; it changes nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from unittest.mock import patch

import pytest
from small_project import edit, opened, small_project, tiny_encoder, write

from inhouse.core.artifact import Ref
from inhouse.core.errors import MissingExtra, NotFound, ProjectError
from inhouse.data import collect
from inhouse.data.files import UNMATCHED
from inhouse.project.left_out import left_out
from inhouse.project.plan import Plan


def told(plan: Plan) -> dict[str, str]:
    """What is to be done, and why, of all that is not up to date."""
    return {p.step.path: f"{p.status}: {p.reason}" for p in plan.steps if p.status != "up to date"}


def planned(file: Path, target: str | None = None) -> Plan:
    with opened(file) as project:
        return project.plan(target)


def run(file: Path, target: str | None = None) -> list[str]:
    """Run, and return what was made."""
    with opened(file) as project:
        return [f.planned.step.path for f in project.run(target) if f.made.fresh]


def test_parents_come_first(file: Path):
    seen: set[str] = set()
    for step in (p.step for p in planned(file).steps):
        assert {edge.parent.path for edge in step.recipe.parents} <= seen
        seen.add(step.path)
    assert len(seen) == 8


def test_a_plan_changes_nothing(file: Path):
    with opened(file) as project:
        first = project.plan()
        assert project.catalog.list() == []
        assert project.catalog.audit() == []
        assert project.catalog.access.groups() == {}
        assert project.plan() == first


def test_what_is_new_and_what_is_done(file: Path):
    assert set(told(planned(file)).values()) == {"will be made: new"}
    assert len(run(file)) == 8
    after = planned(file)
    assert told(after) == {}
    assert not after.changes
    assert all(p.seconds is not None for p in after.steps)


def test_a_run_is_idempotent(made: Path):
    with opened(made) as project:
        audit, listed = project.catalog.audit(), project.catalog.list()
        assert not any(step.made.fresh for step in project.run())
        assert (project.catalog.audit(), project.catalog.list()) == (audit, listed)


def test_files_are_counted(made: Path):
    write(made.parent, {"docs/memos/one.md": "# One\n\nChanged.\n", "docs/memos/three.md": "# 3\n"})
    (made.parent / "docs/memos/two.md").unlink()
    assert told(planned(made)) == {
        "data/memos": "will be made: files: 1 new, 1 changed, 1 gone",
        "knowledge/desk": "will be made: data/memos changed",
        "knowledge/all": "will be made: data/memos changed",
        "endpoints/desk": "will be made: knowledge/desk changed",
    }
    assert set(run(made)) == {"data/memos", "knowledge/desk", "knowledge/all", "endpoints/desk"}
    assert not planned(made).changes


def test_a_pattern_that_matches_nothing_any_more_is_told(made: Path):
    edit(made, "from: ./docs/memos,", 'from: "./docs/memos/*.mdd",')
    said = "nothing matches docs/memos/*.mdd any more"
    assert told(planned(made))["data/memos"] == f"will be made: files: 2 gone; {said}"
    assert "data/memos" in run(made)
    assert not told(planned(made))
    with opened(made) as project:
        (line,) = left_out(project, project.artifact(Ref("data", "memos"))).files
    assert line == {"path": "docs/memos/*.mdd", "reason": UNMATCHED}


def test_touching_a_file_changes_nothing(made: Path):
    (made.parent / "docs/memos/one.md").touch()
    assert told(planned(made)) == {}


def test_what_was_made_before_is_pointed_to(made: Path):
    one = made.parent / "docs/memos/one.md"
    before = one.read_text()
    one.write_text("# Other\n\nText.\n")
    run(made)
    one.write_text(before)
    plan = planned(made)
    assert {p.status for p in plan.steps if p.step.path == "data/memos"} == {"will point to it"}
    assert "was made before" in told(plan)["data/memos"]
    assert plan.changes
    assert run(made) == []
    assert not planned(made).changes


def test_parents_added_and_taken_out(made: Path):
    edit(made, "desk: {from: data/memos,", "desk: {from: [data/memos, data/handbook],")
    assert told(planned(made))["knowledge/desk"] == "will be made: data/handbook added"
    run(made)
    edit(made, "desk: {from: [data/memos, data/handbook],", "desk: {from: data/handbook,")
    assert told(planned(made))["knowledge/desk"] == "will be made: data/memos taken out"


def test_settings_that_changed_are_named(made: Path):
    edit(made, "knowledge: knowledge/desk", "knowledge: knowledge/desk\n    top: 7")
    waits = "waits for: inhouse release endpoints/desk"
    assert told(planned(made)) == {"endpoints/desk": f"will be made: top changed; then {waits}"}
    run(made)
    assert told(planned(made)) == {"endpoints/desk": waits}
    assert not planned(made).changes


def test_code_that_changed_is_named(made: Path, monkeypatch: pytest.MonkeyPatch):
    newer = dataclasses.replace(collect.STAGE, code=collect.STAGE.code + 1)
    monkeypatch.setattr(collect, "STAGE", newer)
    reasons = told(planned(made))
    assert reasons["data/handbook"] == "will be made: the stage itself changed"
    assert reasons["knowledge/all"] == "will be made: data/handbook changed; data/memos changed"


def test_bytes_that_are_missing_are_made_again(made: Path):
    with opened(made) as project:
        version = project.plan("data/memos").steps[0].step.recipe.version
        artifact = project.catalog.get(project.plan("data/memos").steps[0].step.recipe.ref)
        project.catalog.blobs.path(artifact.files["rows.parquet"].digest).unlink()
        reasons = told(project.plan())
        assert reasons == {"data/memos": "will be made: its bytes are missing or damaged"}
        assert [f.planned.step.path for f in project.run() if f.made.fresh] == ["data/memos"]
        assert project.catalog.load(artifact.ref).artifact.digest == artifact.digest
        assert project.catalog.made(version)


def test_bytes_that_changed_are_noticed_and_made_again(made: Path):
    with opened(made) as project:
        artifact = project.catalog.list()[1]
        blob = project.catalog.blobs.path(artifact.files["rows.parquet"].digest)
        data = blob.read_bytes()
        blob.unlink()
        blob.write_bytes(data.replace(b"seven", b"eight"))
        with pytest.raises(Exception, match=r"digest|changed|bytes"):
            project.catalog.load(artifact.ref)
        assert "missing or damaged" in told(project.plan())[artifact.ref.path]
        project.run()
        project.catalog.load(artifact.ref)


def test_only_what_a_target_needs_is_made(file: Path):
    assert run(file, "knowledge/desk") == [
        p.step.path for p in planned(file).steps if p.status == "up to date"
    ]
    with opened(file) as project:
        assert {a.ref.path for a in project.catalog.list()} == {
            "data/memos",
            "models/minilm",
            "models/minilm/openvino-f16",
            "knowledge/desk",
        }


def test_a_target_that_is_not_there(file: Path):
    with opened(file) as project:
        for call in (project.plan, project.run, project.steps):
            with pytest.raises(NotFound, match="data/memos"):
                call("data/memo")


def test_who_may_use_what(file: Path):
    rows = {p.step.path: (str(p.step.label), p.audience) for p in planned(file).steps}
    assert rows["data/handbook"] == ("open", None)
    assert rows["data/memos"] == ("buy-side", ("ana", "bo"))
    assert rows["knowledge/all"] == ("buy-side", ("ana", "bo"))
    assert rows["endpoints/open"] == ("open", None)
    # The endpoint itself is open; whoever may read no source gets no answer from it.
    assert rows["endpoints/desk"] == ("open", ("ana", "bo"))
    edit(file, "knowledge: knowledge/desk", "knowledge: knowledge/all")
    plan = planned(file)
    assert {p.step.path: p.audience for p in plan.steps}["endpoints/desk"] is None


def test_what_nobody_may_use_is_refused_with_who_and_why(file: Path):
    more = (
        "  deals: {from: ./docs/handbook, label: sell-side}\n"
        "  both: {from: [data/memos, data/deals]}\n"
    )
    edit(file, "models:\n", f"{more}models:\n")
    with opened(file) as project:
        for call in (project.plan, project.run):
            with pytest.raises(ProjectError) as raised:
                call()
            what = raised.value.what
            assert ":10: nobody could use data/both: it would carry buy-side & sell-side." in what
            assert "data/deals is for cy" in what
            assert "data/memos is for ana, bo" in what
        assert project.catalog.list() == []
        assert project.catalog.access.labels() == {}


def test_an_endpoint_whose_sources_nobody_may_read_is_refused(file: Path):
    edit(file, "buy-side: [ana, bo]", "buy-side: []")
    with pytest.raises(
        ProjectError, match=r":15: nobody could use endpoints/desk: its sources carry buy-side\."
    ):
        planned(file)


def test_mistakes_that_only_the_disk_shows(file: Path, tiny_weights: Path):
    weights = f"file:{tiny_weights}"
    for old, new, line, words in (
        ("./docs/handbook", "./dosc/handbook", 7, "Nothing matches './dosc/handbook'"),
        ("./docs/handbook", "[./docs/handbook, data/memos]", 7, "cannot stand in one list"),
        (weights, "minilm-l7", 10, "there is no model 'minilm-l7'"),
        (weights, "hf://org/name", 10, "pin a revision"),
        (weights, "ftp://x", 10, "not a weight source"),
        (weights, "file:/nowhere", 10, "neither a file nor a folder"),
    ):
        text = file.read_text()
        edit(file, old, new)
        with pytest.raises(ProjectError, match=words) as raised:
            planned(file)
        assert raised.value.line == line
        file.write_text(text)


def test_a_store_is_a_folder(file: Path):
    text = file.read_text()
    file.write_text(text + "store: postgresql://host/db\n")
    with pytest.raises(ProjectError, match=r"inhouse.yaml:\d+: .* is not a folder"):
        planned(file)


def test_a_store_among_the_documents_is_no_document(file: Path):
    edit(file, "./docs/handbook", "./**/*")
    file.write_text(file.read_text() + "store: ./store\n")
    run(file, "data/handbook")
    assert told(planned(file, "data/handbook")) == {}


def test_weights_on_this_disk_are_pinned_by_their_content(tmp_path: Path):
    weights = tiny_encoder(tmp_path / "weights")
    file = small_project(tmp_path / "project", weights)
    run(file, "knowledge/desk")
    assert told(planned(file, "knowledge/desk")) == {}
    tiny_encoder(weights)  # the same bytes anew
    assert told(planned(file, "knowledge/desk")) == {}
    tiny_encoder(weights, seed=1)
    assert told(planned(file, "knowledge/desk")) == {
        "models/minilm": "will be made: sha256 changed",
        "models/minilm/openvino-f16": "will be made: models/minilm changed",
        "knowledge/desk": "will be made: models/minilm/openvino-f16 changed",
    }
    with opened(file) as project:
        followed = project.run("knowledge/desk")
    # Vectors of another embedder are never taken over.
    assert followed[-1].made.artifact.summary["reused"] == 0


def test_weights_that_change_after_planning_are_refused(tmp_path: Path):
    weights = tiny_encoder(tmp_path / "weights")
    with opened(small_project(tmp_path / "project", weights)) as project:
        step = project.steps("models/minilm")[0]
        tiny_encoder(weights, seed=1)
        with pytest.raises(Exception, match="not the pinned"):
            project.catalog.make(step.recipe, by="ana")


def test_another_store_of_a_knowledge_base_needs_its_extra(file: Path):
    old = "all: {from: [data/handbook, data/memos], embed: models/minilm}"
    edit(file, old, old.replace("}", ", store: lance}"))
    with patch("inhouse.knowledge.lance.find_spec", return_value=None):
        reasons = {one.step.path: one.reason for one in planned(file).steps}
        assert reasons["knowledge/all"].endswith("needs the extra 'lance'")
        with opened(file) as project, pytest.raises(MissingExtra, match=r"inhouse\[lance\]"):
            project.run()
