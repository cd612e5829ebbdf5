"""A classifier that learnt from examples, served alone and behind an endpoint, by a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from serve_world import running
from small_project import edit, opened, small_project, write
from test_serve_door import send

from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, ProjectError
from inhouse.project.project import Project
from inhouse.project.read import read
from inhouse.project.recording import recorder
from inhouse.serve.app import create_app

FILE = """\
project: classes
groups: {staff: [ana, bo], hr: [ana]}
data:
  gold: {from: ./gold.csv, label: hr}
models:
  minilm: {from: "file:WEIGHTS"}
  intents: {method: classify, base: models/minilm, examples: data/gold}
endpoints:
  sorter: {model: models/intents}
"""
WORDS = {"food": ("lunch", "dinner"), "space": ("desk", "door")}
LINES = [
    f"{word} {end},{label}"
    for label, words in WORDS.items()
    for word in words
    for end in ("here", "there", "again")
]


@dataclass(frozen=True)
class Running:
    project: Project
    url: str
    keys: dict[str, str]

    def ask(self, actor: str = "ana", **body: object) -> tuple:
        sent = json.dumps({"model": "intents", "input": "lunch", **body}).encode()
        return send(self.url, "POST", "/v1/classify", sent, self.keys[actor])


def project(folder: Path, weights: Path) -> Path:
    file = small_project(folder, weights, FILE)
    write(folder, {"gold.csv": "\n".join(["text,label", *LINES, ""])})
    return file


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Iterator[Running]:
    file = project(tmp_path_factory.mktemp("classes") / "project", tiny_weights)
    with opened(file) as made:
        made.run()
        sink = recorder(made)
        keys = {actor: made.catalog.keys.create(actor, by="ana")[1] for actor in ("ana", "bo")}
        with running(create_app(made.house(sink))) as listening:
            yield Running(made, listening.url, keys)
        sink.close()


@pytest.mark.train
def test_texts_have_classes_with_confidence(served: Running):
    texts = ["lunch here", "a door", "x" * 500]
    status, found, headers = served.ask(input=texts)
    assert status == 200
    for each in found["data"]:
        likely = [one["probability"] for one in each["labels"]]
        assert sorted(likely, reverse=True) == likely
        assert sum(likely) == pytest.approx(1, abs=1e-4)
        assert each["abstains"] == (likely[0] < found["inhouse"]["abstains_below"])
    assert found["inhouse"]["model"].startswith("models/intents/openvino-f16@")
    assert found["inhouse"]["label"] == "hr"
    assert headers["x-inhouse-digest"] == found["inhouse"]["digest"]
    assert found["usage"]["prompt_tokens"] > 0
    for text, together in zip(texts, found["data"], strict=True):
        assert served.ask(input=text)[1]["data"][0]["labels"] == together["labels"]


@pytest.mark.train
def test_alone_and_behind_an_endpoint_it_says_the_same(served: Running):
    alone = served.ask(model="models/intents", top_k=1)[1]
    behind = served.ask(model="sorter", top_k=1)[1]
    assert alone["data"] == behind["data"]
    assert len(alone["data"][0]["labels"]) == 1
    assert behind["inhouse"]["endpoint"].startswith("endpoints/sorter@")
    assert behind["inhouse"]["digest"] == alone["inhouse"]["digest"]


@pytest.mark.train
@pytest.mark.parametrize("model", ["intents", "models/intents", "sorter"])
def test_who_may_not_see_the_examples_may_not_use_it(served: Running, model: str):
    status, found, _ = served.ask("bo", model=model)
    assert status in (403, 404)
    assert "data" not in found


@pytest.mark.train
@pytest.mark.parametrize("model", ["intents", "sorter"])
def test_its_classes_are_its_own(served: Running, model: str):
    status, found, _ = served.ask(model=model, labels=["a", "b"])
    assert (status, found["error"]["param"]) == (400, "labels")


@pytest.mark.train
def test_it_writes_nothing(served: Running):
    body = {"model": "sorter", "messages": [{"role": "user", "content": "hi"}]}
    sent = json.dumps(body).encode()
    status, found, _ = send(served.url, "POST", "/v1/chat/completions", sent, served.keys["ana"])
    assert status == 400
    assert "/v1/classify" in found["error"]["message"]


@pytest.mark.train
def test_it_is_listed_and_labelled(served: Running):
    _, found, _ = send(served.url, "GET", "/v1/models", key=served.keys["ana"])
    kinds = {one["id"]: one["inhouse"]["kind"] for one in found["data"]}
    assert kinds == {"intents": "classifier", "sorter": "endpoint"}
    _, other, _ = send(served.url, "GET", "/v1/models", key=served.keys["bo"])
    assert other["data"] == []
    told = served.project.artifact(Ref.parse("models/intents")).summary
    assert (told["kind"], told["classes"], told["examples"]) == ("classifier", 2, 12)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("examples: data/gold", "examples: data/gild", "'data/gild' is not among the data"),
        (", examples: data/gold", "", "'models.intents.examples' is missing"),
        ("method: classify, ", "", "'models.intents.method' is missing"),
        ("method: classify", "method: classify, on: data/gold", "unknown key 'models.intents.on'"),
        ("model: models/intents", "model: models/intents, top: 3", "'top' changes nothing"),
        ("model: models/intents", "model: models/minilm", "is wanted"),
        ("model: models/intents", "model: [models/intents]", "is a classifier, and a language"),
    ],
)
def test_a_wrong_entry_is_one_sentence(
    tmp_path: Path, tiny_weights: Path, old: str, new: str, said: str
):
    file = project(tmp_path / "wrong", tiny_weights)
    if new == "model: models/minilm":
        edit(file, '"file:WEIGHTS"'.replace("WEIGHTS", str(tiny_weights)), "minilm-l6")
    edit(file, old, new)
    with pytest.raises(ProjectError) as error:
        read(file)
    assert said in str(error.value)


def test_it_is_made_not_pulled(tmp_path: Path, tiny_weights: Path):
    with (
        opened(project(tmp_path / "made", tiny_weights)) as found,
        pytest.raises(BadInput, match="inhouse run models/intents"),
    ):
        found.pull("intents")
