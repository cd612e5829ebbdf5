"""What somebody may not read stays closed, also after names have come to mean other versions."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_project import edit, opened, small_project, write

from inhouse.core.errors import BadInput, Refused

TWO = """\
project: two
groups: {staff: [ana, bo], hr: [ana]}
data:
  a: {from: ./docs/a}
  s: {from: ./docs/s, label: hr}
  all: {from: [data/a, data/s]}
models: {minilm: {from: "file:WEIGHTS"}}
knowledge: {all: {from: data/all, embed: models/minilm}}
"""
PAGES = {
    "docs/a/a.md": "# Lunch\n\nLunch is at noon.\n",
    "docs/s/s.md": "# Bonus\n\nThe bonus of the chief is one million.\n",
}


def test_an_index_is_guarded_by_the_versions_it_was_made_of(tmp_path: Path, tiny_weights: Path):
    file = small_project(tmp_path / "two", tiny_weights, TWO)
    write(file.parent, PAGES)
    with opened(file) as project:
        project.run()
        with pytest.raises(Refused, match="carries hr"):
            project.search("all", "bonus", actor="bo")
    edit(file, "[data/a, data/s]", "[data/a]")
    with opened(file) as project:
        project.run("data/all")  # the index is still the old one
        with pytest.raises(Refused, match="carries hr"):
            project.search("all", "bonus", actor="bo")
        refusals = [e for e in project.catalog.audit() if e.actor == "bo" and not e.allowed]
        assert len(refusals) == 2, "each refused search is on record"
        project.run()
        assert [
            hit.section.document for hit in project.search("all", "bonus", actor="bo").hits
        ] == ["a/docs/a/a.md"]


def test_an_embedder_cannot_write_and_says_so(file: Path):
    edit(file, 'model: {api: "http://127.0.0.1:9/v1", name: echo}', "model: models/minilm")
    with opened(file) as project, pytest.raises(BadInput, match="is an embedder"):
        project.run()


def test_the_project_file_is_no_document(file: Path):
    edit(file, "from: ./docs/handbook", 'from: "./**/*"')
    with opened(file) as project:
        project.run("data/handbook")
    edit(file, "sell-side: [cy]", "sell-side: [cy, di]")
    with opened(file) as project:
        assert {p.status for p in project.plan("data/handbook").steps} == {"up to date"}


def test_a_version_confirms_no_guess_about_what_it_was_made_of(
    tmp_path: Path, tiny_weights: Path
) -> None:
    versions = []
    for name in ("theirs", "mine"):
        file = small_project(tmp_path / name, tiny_weights)
        edit(file, "endpoints:\n", "suites:\n  s: {kind: retrieval, from: ./q}\nendpoints:\n")
        (file.parent / "q").write_text('{"query": "Who?", "relevant": ["size"]}\n')
        with opened(file) as project:
            versions.append({step.path: step.recipe.version for step in project.steps()})
            assert versions[-1] == {step.path: step.recipe.version for step in project.steps()}
    theirs, mine = versions
    for path in ("data/memos", "knowledge/desk", "endpoints/desk", "suites/s"):
        assert theirs[path] != mine[path]
    assert theirs["models/minilm"] == mine["models/minilm"]
