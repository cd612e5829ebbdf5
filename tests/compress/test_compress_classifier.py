"""A classifier made small: the choice, the report, and what is refused."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from tests.compress.painted import COLOURS, EXAMPLES, THINGS
from tests.models.conftest import pulled

from inhouse.catalog.rows import write_rows
from inhouse.compress import classifier as compress
from inhouse.compress.judging import loss
from inhouse.core.access import Actor
from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.errors import BadInput
from inhouse.core.label import Label
from inhouse.core.stage import Context
from inhouse.models.classifier import TextClassifier, train
from inhouse.models.load import load_embedder
from inhouse.models.student import Student

pytestmark = [pytest.mark.weights, pytest.mark.train]

TEST = [(f"could you paint a {c} {t} for us", c) for c in COLOURS for t in THINGS]


def as_input(folder: Path, ref: str) -> Input:
    artifact = Artifact(
        ref=Ref.parse(ref), recipe="test", code=1, params={}, parents=(), digest="", files={},
        label=Label.OPEN, created=datetime(2026, 1, 1, tzinfo=UTC), actor="test", seconds=0.0,
        summary={},
    )  # fmt: skip
    return Input(artifact, folder)


def rows(folder: Path, pairs: list[tuple[str, str]]) -> Input:
    folder.mkdir()
    write_rows(
        folder,
        "examples",
        (
            {"id": f"{n}", "text": text, "label": label, "source": "", "part": ""}
            for n, (text, label) in enumerate(pairs)
        ),
    )
    return as_input(folder, f"data/{folder.name}")


@pytest.fixture(scope="module")
def teacher(minilm_folder: Path) -> TextClassifier:
    embed = load_embedder(minilm_folder).embed
    return train(embed([text for text, _ in EXAMPLES]), [label for _, label in EXAMPLES], embed)


@pytest.fixture
def inputs(tmp_path: Path, minilm_folder: Path, weights_store: Path) -> dict[str, Input]:
    return {
        "teacher": as_input(minilm_folder, "models/intents"),
        "encoder": as_input(pulled(weights_store, "models/minilm"), "models/minilm"),
        "examples": rows(tmp_path / "gold", EXAMPLES),
        "test": rows(tmp_path / "test", TEST),
    }


def test_the_smallest_that_loses_little_is_kept(
    inputs: dict[str, Input], teacher: TextClassifier, tmp_path: Path
) -> None:
    asked: list[str] = []

    @contextmanager
    def opened(one: Input) -> Iterator[TextClassifier]:
        asked.append(one.artifact.ref.path)
        yield teacher

    work, told = tmp_path / "work", []
    work.mkdir()
    context = Context(work, Actor("test"), progress=lambda *at: told.append(at))
    spec = compress.Compress(points=2.0, most=4000, variants=1.0)
    summary = compress.stage(opened).run(spec, inputs, context).summary
    assert asked == ["models/intents"]
    assert told[-1][0] in (told[-1][1] / 2, told[-1][1])
    assert summary == json.loads((work / "report.json").read_text()) | {
        name: summary[name] for name in ("kind", "form", "pieces", "width", "filters")
    }
    assert summary["accuracy"] == pytest.approx(
        np.mean([
            teacher.classes[n] == label
            for n, (_, label) in zip(
                Student.load(work).classify([t for t, _ in TEST]).argmax(1), TEST, strict=True
            )
        ])
    )  # fmt: skip
    assert summary["accuracy"] > 0.9
    assert summary["within"] == (summary["loss"]["low"] >= -2)
    assert summary["bytes"] < 200_000
    assert summary["made_up"] > 200
    assert len(summary["development"]) == (1 if summary["width"] == 64 else 2)


def test_examples_of_other_classes_are_refused(
    inputs: dict[str, Input], teacher: TextClassifier, tmp_path: Path
) -> None:
    @contextmanager
    def opened(one: Input) -> Iterator[TextClassifier]:
        yield teacher

    strange = inputs | {"test": rows(tmp_path / "other", [("a pink car", "pink")])}
    with pytest.raises(BadInput, match="data/other has the label 'pink'"):
        compress.stage(opened).run(compress.Compress(), strange, Context(tmp_path, Actor("test")))


def test_a_difference_knows_how_sure_it_is() -> None:
    chance = np.random.default_rng(0)
    larger = chance.random(3000) < 0.94
    smaller = larger ^ (chance.random(3000) < 0.03)
    found = loss(smaller, larger)
    assert found.points == pytest.approx(100 * (smaller.mean() - larger.mean()), abs=0.005)
    assert found.low < found.points < found.high
    # The same by drawing texts one by one.
    drawn = chance.integers(0, 3000, (2000, 3000))
    points = (smaller[drawn].mean(1) - larger[drawn].mean(1)) * 100
    wanted = np.percentile(points, [2.5, 97.5])
    assert [found.low, found.high] == pytest.approx(wanted.tolist(), abs=0.1)
    assert loss(larger, larger).low == 0
