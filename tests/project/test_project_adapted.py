"""An embedder that learnt from documents: its entry, its place in the plan, and its label."""

from __future__ import annotations

import asyncio
from pathlib import Path
from unittest.mock import patch

import pytest
from small_project import edit, opened, small_project, write

from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, MissingExtra, NotFound, ProjectError, Refused
from inhouse.project.project import Project
from inhouse.project.read import read

ENTRY = "house: {method: embed, base: models/minilm, on: [data/a, data/s]}"
FILE = f"""\
project: two
groups: {{staff: [ana, bo], hr: [ana]}}
data:
  a: {{from: ./docs/a}}
  s: {{from: ./docs/s, label: hr}}
models:
  minilm: {{from: "file:WEIGHTS"}}
  {ENTRY}
knowledge:
  desk: {{from: data/a, embed: models/house}}
endpoints:
  desk: {{model: {{api: "http://127.0.0.1:9/v1", name: echo}}, knowledge: knowledge/desk}}
"""
PAGES = {
    "docs/a/a.md": "# Lunch\n\n## When is lunch?\n\nLunch is at noon. It takes an hour.\n",
    "docs/s/s.md": "# Bonus\n\n## How much?\n\nThe bonus is one million. It is paid in May.\n",
}


@pytest.fixture
def file(tmp_path: Path, tiny_weights: Path) -> Path:
    made = small_project(tmp_path / "two", tiny_weights, FILE)
    write(made.parent, PAGES)
    return made


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            "{method: embed, from: minilm-l6}",
            r"inhouse.yaml:8: unknown key 'models.house.from'. Known here: base, label, method, on",
        ),
        (
            "{from: minilm-l6, base: models/minilm}",
            "unknown key 'models.house.base'. Known here: adapter, "
            "engine, from, label, licence, precision",
        ),
        ("{base: models/minilm, on: data/a}", "'models.house.method' is missing"),
        ("{method: embed, on: data/a}", "'models.house.base' is missing"),
        ("{method: embed, base: models/minilm}", "'models.house.on' is missing"),
        (
            "{method: embd, base: models/minilm, on: data/a}",
            "no method 'embd'. Did you mean 'embed'",
        ),
        ("{method: embed, base: data/a, on: data/a}", "'data/a' is not among the models"),
        ("{method: embed, base: models/minilm, on: data/b}", "'data/b' is not among the data"),
        ("{method: embed, base: models/house, on: data/a}", "these entries go in a circle"),
        ("{label: open}", "'models.house.from' is missing"),
        (
            "minilm-l6",
            "keys with values should stand here: adapter, "
            "engine, from, label, licence, precision, sha256",
        ),
    ],
)
def test_a_wrong_entry_is_one_sentence(file: Path, entry: str, said: str):
    edit(file, ENTRY, f"house: {entry}")
    with pytest.raises(ProjectError) as error:
        read(file)
    assert said in str(error.value)


def test_the_plan_says_who_will_be_able_to_use_it(file: Path):
    with opened(file) as project:
        planned = {p.step.path: p for p in project.plan().steps}
    assert list(planned).index("models/minilm") < list(planned).index("models/house")
    assert planned["models/house"].status == "will be made"
    learnt = ("models/house", "models/house/openvino-f16", "knowledge/desk", "endpoints/desk")
    assert {planned[path].audience for path in learnt} == {("ana",)}
    assert planned["models/minilm"].audience is None
    assert planned["endpoints/desk"].step.demand == "hr; by source: open"


def test_it_is_made_not_pulled(file: Path):
    with opened(file) as project, pytest.raises(BadInput, match="inhouse run models/house"):
        project.pull("house")


@pytest.mark.train
def test_what_is_searched_with_it_carries_what_it_learnt_from(file: Path):
    with opened(file) as project:
        project.run()
        assert project.artifact(Ref.parse("models/house")).summary["steps"] == 1
        for path in ("models/house", "knowledge/desk", "endpoints/desk"):
            assert str(project.artifact(Ref.parse(path)).label) == "hr"
        assert project.search("desk", "lunch", actor="ana").hits
        with pytest.raises(Refused, match="carries hr, inherited from data/s"):
            project.search("desk", "lunch", actor="bo")
        entry = project.catalog.audit(last=1)[0]
        assert (entry.actor, entry.action, entry.allowed) == ("bo", "search", False)
        assert entry.thing.startswith("knowledge/desk@")
        asyncio.run(the_house_keeps_it_closed(project))
        with pytest.raises(Refused, match="carries hr, inherited from data/s"):
            project.ask("desk", "When is lunch?", actor="bo")


async def the_house_keeps_it_closed(project: Project) -> None:
    house, actor = project.house(), project.catalog.access.actor
    with pytest.raises(Refused, match="carries hr, inherited from data/s"):
        async with house.knowledge("desk", actor("bo")):
            pass
    with pytest.raises(NotFound) as unknown:
        async with house.knowledge("dezk", actor("bo")):
            pass
    assert "Known: none yet." in str(unknown.value), "what may not be searched is not named"
    async with house.knowledge("desk", actor("ana")) as opened:
        assert str(opened.label) == "hr"
    await house.close()


@pytest.mark.train
def test_it_is_made_anew_when_its_documents_change_and_only_then(file: Path):
    with opened(file) as project:
        project.run("models/house")
        assert {p.status for p in project.plan("models/house").steps} == {"up to date"}
    write(
        file.parent, {"docs/a/b.md": "# Doors\n\n## Which door?\n\nThe red one. Not the other.\n"}
    )
    with opened(file) as project:
        (house,) = (p for p in project.plan("models/house").steps if p.step.path == "models/house")
    assert (house.status, house.reason) == ("will be made", "data/a changed")


def test_a_missing_extra_is_noticed_before_anything_is_made(file: Path):
    with (
        opened(file) as project,
        patch("inhouse.train.embed.find_spec", return_value=None),
    ):
        with pytest.raises(MissingExtra, match=r"pip install 'inhouse\[train\]'"):
            project.run()
        assert not project.catalog.list()
