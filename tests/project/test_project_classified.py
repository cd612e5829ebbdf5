"""From examples to a classifier by a project file: what is planned, refused, made and served."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_project import edit, opened, tiny_encoder, write

from inhouse.catalog.rows import read_rows
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, MissingExtra, ProjectError
from inhouse.project import model_steps
from inhouse.project.loaders import EMBEDDER, Loaders
from inhouse.project.project import Project
from inhouse.project.read import read

FILE = """\
project: classified
data:
  gold: {from: ./gold.csv}
  memos: {from: ./docs}
  watched: {from: data/memos, steps: [{toxicity: {model: models/intents, toxic: [food]}}]}
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
    assert "inhouse.yaml:8" in str(caught.value)


def test_only_a_classifier_judges_what_is_toxic(file: Path) -> None:
    edit(file, "toxicity: {model: models/intents", "toxicity: {model: models/minilm")
    write(file.parent, {"inhouse.yaml": file.read_text().replace("file:./encoder", "minilm-l6")})
    with pytest.raises(ProjectError, match="an embedder, and a classifier is wanted") as caught:
        read(file)
    assert "inhouse.yaml:5" in str(caught.value)


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
        judge = {edge.role: edge.parent for edge in made["data/watched"].parents}["models/intents"]
        assert judge == made[f"models/intents/{EMBEDDER}"].ref
        noted = made["data/watched"].summary["funnel"][-1]
        assert (noted["rows"], sum(noted["flagged"].values())) == (1, _told(project, judge))
    edit(file, "toxic: [food]", "toxic: [foot]")
    with opened(file) as project, pytest.raises(BadInput, match="knows no label 'foot'") as caught:
        project.run()
    assert caught.value.fix == "Did you mean 'food'?"


def _told(project: Project, judge: Ref) -> int:
    """Return how many of the memos the classifier calls food, asked by itself."""
    model = Loaders(project.catalog).classifier(judge)
    (row,) = read_rows(project.catalog.load(Ref.parse("data/memos")).folder)
    return int(model.classify([row["text"]])[0, list(model.classes).index("food")] >= 0.5)
