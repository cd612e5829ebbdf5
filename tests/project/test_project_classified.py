"""From examples to a classifier by a project file: what is planned, refused, made and served."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_project import opened, tiny_encoder, write

from inhouse.core.errors import MissingExtra, ProjectError
from inhouse.project import model_steps
from inhouse.project.loaders import EMBEDDER

FILE = """\
project: classified
data:
  gold: {from: ./gold.csv}
  memos: {from: ./docs}
models:
  minilm: {from: "file:./encoder"}
  intents: {method: classify, base: models/minilm, examples: data/gold}
endpoints:
  route: {model: models/intents}
"""
DISHES = ("soup", "rice", "bread", "fish", "salad", "cake")
PLACES = ("the moon", "Mars", "Venus", "the sun", "Saturn", "a comet")
ROWS = [
    *((f"I would like some {dish}", "food") for dish in DISHES),
    *((f"the rocket flies to {place}", "space") for place in PLACES),
]
GOLD = "text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    pages = {"inhouse.yaml": FILE, "gold.csv": GOLD, "docs/memo.md": "# Memo\n\nPay them.\n"}
    folder = write(tmp_path, pages)
    tiny_encoder(folder / "encoder")
    return folder / "inhouse.yaml"


def test_documents_are_refused_before_anything_is_done(file: Path) -> None:
    file.write_text(FILE.replace("examples: data/gold", "examples: data/memos"))
    with opened(file) as project, pytest.raises(ProjectError) as caught:
        project.plan()
    assert "data/memos holds documents" in str(caught.value)
    assert "inhouse.yaml:7" in str(caught.value)


def test_what_is_not_installed_stops_only_what_needs_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(what: str = "") -> None:
        raise MissingExtra("Training a classifier", "train")

    monkeypatch.setattr(model_steps.embed, "require_train", missing)
    with opened(file) as project:
        planned = {one.step.path: one.reason for one in project.plan().steps}
        assert planned["models/intents"].endswith("; Training a classifier needs the extra 'train'")
        assert "needs" not in planned["data/gold"]
        assert [one.planned.step.path for one in project.run("data/gold")] == ["data/gold"]
        with pytest.raises(MissingExtra, match="needs the extra 'train'"):
            project.run("models/intents")
        assert project.catalog.find(project.steps("models/minilm")[-1].recipe.ref) is None


@pytest.mark.train
def test_from_examples_to_an_endpoint(file: Path) -> None:
    with opened(file) as project:
        made = {one.planned.step.path: one.made.artifact for one in project.run()}
        told = made["models/intents"].summary
        assert (told["way"] in ("frozen", "contrast"), told["classes"]) == (True, 2)
        assert {f"models/intents/{EMBEDDER}", "endpoints/route"} <= made.keys()
        assert not project.plan().changes
