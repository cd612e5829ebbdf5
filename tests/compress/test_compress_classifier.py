"""A classifier made small: the choice, the report, and what is refused."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.compress.painted import COLOURS, EXAMPLES, THINGS
from tests.compress.tiny_teacher import tiny_teacher

from inhouse.catalog.rows import write_rows
from inhouse.compress import classifier as compress
from inhouse.compress.classifier import Tried
from inhouse.compress.front import marked
from inhouse.compress.given import divided
from inhouse.compress.judging import Loss, loss
from inhouse.compress.timing import Pace
from inhouse.core.access import Actor
from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.errors import BadInput
from inhouse.core.label import Label
from inhouse.core.protocols import Classifier
from inhouse.core.stage import Context, Progress, silent
from inhouse.models import bag, build
from inhouse.models.examples import HELD_OUT, Examples, folds
from inhouse.models.load import load_classifier

pytestmark = pytest.mark.train

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
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_teacher(tmp_path_factory.mktemp("encoder"), tmp_path_factory.mktemp("aside"))


@pytest.fixture(scope="module")
def teacher(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    given = {"weights": as_input(encoder, "models/intents")}
    build.run(build.Build("classifier"), given, Context(folder, Actor("test")))
    return folder


@pytest.fixture
def inputs(tmp_path: Path, teacher: Path, encoder: Path) -> dict[str, Input]:
    return {
        "teacher": as_input(teacher, "models/intents"),
        "encoder": as_input(encoder, "models/intents"),
        "examples": rows(tmp_path / "gold", EXAMPLES),
        "test": rows(tmp_path / "test", TEST),
    }


@contextmanager
def opened(one: Input) -> Iterator[Classifier]:
    yield load_classifier(one.folder, name=one.artifact.ref.path)


def made(
    inputs: dict[str, Input], work: Path, spec: compress.Compress, progress: Progress = silent
) -> Mapping[str, Any]:
    work.mkdir(exist_ok=True)
    context = Context(work, Actor("test"), progress=progress)
    return compress.stage(opened).run(spec, inputs, context).summary


def test_the_smallest_that_loses_little_is_kept(inputs: dict[str, Input], tmp_path: Path) -> None:
    work, told = tmp_path / "work", list[tuple[int, int, str]]()
    spec = compress.Compress(points=60.0, most=4000, variants=1.0)
    summary = made(inputs, work, spec, lambda *at: told.append(at))
    assert told[-1][0] == told[-1][1] / 6
    assert summary == json.loads((work / "report.json").read_text())
    assert summary["form"] == "hashed words"
    small = load_classifier(work, name="small")
    said = small.classify([text for text, _ in TEST]).argmax(1)
    right = [small.classes[n] == label for n, (_, label) in zip(said, TEST, strict=True)]
    assert summary["accuracy"] == pytest.approx(np.mean(right), abs=1e-4)
    assert summary["within"] == (summary["loss"]["low"] >= -60)
    assert summary["bytes"] == sum((work / name).stat().st_size for name in bag.FILES)
    assert summary["made_up"] > 200
    rungs = summary["development"]["rungs"]
    assert [one["name"] for one in rungs] == ["hashed words", "teacher"]
    assert {path.name for path in work.iterdir()} == {*bag.FILES, "report.json", "front.png"}
    assert (work / "front.png").read_bytes()[:4] == b"\x89PNG"


def test_every_rung_is_made_and_answers_alone_as_in_a_batch(
    inputs: dict[str, Input], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = dict[str, Path]()

    def keep(chosen: Path, work: Path) -> None:
        for folder in sorted((work / "rungs").iterdir()):
            if folder.is_dir():
                kept[folder.name] = folder

    monkeypatch.setattr(compress, "_kept", keep)
    summary = made(inputs, tmp_path / "work", compress.Compress(all=True, most=6000, variants=1.0))
    rungs = summary["development"]["rungs"]
    assert [one["name"] for one in rungs] == [
        "hashed words", "convolution 64x96", "convolution 128x192", "convolution 192x256",
        "1 of 2 layers, int8", "2 layers, int8", "teacher",
    ]  # fmt: skip
    assert len(kept) == 6
    assert [one["bytes"] for one in rungs[4:]] == sorted(one["bytes"] for one in rungs[4:])
    texts = [*(text for text, _ in TEST), "", "x" * 5000, "the red car " * 200, "[SEP] red"]
    whole = load_classifier(inputs["teacher"].folder, name="whole").classify(texts[:32])
    for place, folder in kept.items():
        small = load_classifier(folder, name=place)
        together = small.classify(texts)
        alone = np.concatenate([small.classify([text]) for text in texts])
        np.testing.assert_array_equal(alone, together)
        np.testing.assert_array_equal(small.classify(texts[::-1])[::-1], together)
        assert together.sum(1) == pytest.approx(1, abs=1e-5)
    assert (together[:32].argmax(1) == whole.argmax(1)).mean() > 0.95


def test_size_and_time_are_part_of_the_budget(inputs: dict[str, Input], tmp_path: Path) -> None:
    """Nothing has so few bytes, so what is not too large for sure is tried and the best is kept."""
    spec = compress.Compress(points=60.0, mb=1e-3, most=640, variants=0.0)
    summary = made(inputs, tmp_path / "work", spec)
    assert not summary["within"]
    assert len(summary["development"]["rungs"]) == 5
    rungs = {one["name"]: one for one in summary["development"]["rungs"]}
    assert rungs[summary["form"]]["points"] == max(
        one["points"] for name, one in rungs.items() if name != "teacher"
    )
    tried = Tried("a", tmp_path, 500_000, 0.9, Loss(0, 0, 0), Pace(0.05, 0.2), {})
    assert tried.within(compress.Compress(mb=0.5, p95_ms=0.2), tried.lost)
    assert not tried.within(compress.Compress(mb=0.4), tried.lost)
    assert not tried.within(compress.Compress(p95_ms=0.1), tried.lost)
    assert not tried.within(compress.Compress(points=1), Loss(0, -1.1, 1))
    good = replace(tried, name="b", bytes=900_000, lost=Loss(0.5, -0.5, 1.5))
    poor = replace(tried, lost=Loss(-5, -6, -4))
    assert compress._chosen(compress.Compress(points=1), [poor, good]) == good
    assert compress._chosen(compress.Compress(points=1, mb=0.6), [poor, good]) == poor
    assert compress._chosen(compress.Compress(points=1, mb=0.1), [poor, good]) == good


def test_what_was_cut_off_goes_on(inputs: dict[str, Input], tmp_path: Path) -> None:
    spec = compress.Compress(points=0.0, mb=0.1, most=640, variants=0.0)

    class CutOffError(Exception):
        pass

    def stop(done: int, total: int, unit: str) -> None:
        if done / total > 0.3:
            raise CutOffError

    work, seen = tmp_path / "work", list[float]()
    with pytest.raises(CutOffError):
        made(inputs, work, spec, stop)
    first = (work / "rungs" / "0" / bag.WEIGHTS).read_bytes()
    with pytest.raises(CutOffError):
        made(inputs, work, spec, lambda *at: (seen.append(at[0] / at[1]), stop(*at)))
    assert seen[0] > 1 / 6
    assert (work / "rungs" / "0" / bag.WEIGHTS).read_bytes() == first


def test_examples_of_other_classes_are_refused(inputs: dict[str, Input], tmp_path: Path) -> None:
    strange = inputs | {"test": rows(tmp_path / "other", [("a pink car", "pink")])}
    with pytest.raises(BadInput, match="data/other has the label 'pink'"):
        made(strange, tmp_path, compress.Compress())


def test_neither_choice_nor_judgement_knows_what_the_teacher_learnt(
    inputs: dict[str, Input],
) -> None:
    examples = Examples.of(EXAMPLES)
    unseen = {t for t, f in zip(examples.texts, folds(examples, HELD_OUT), strict=True) if f == 0}
    known, dev, test = divided(inputs, COLOURS)
    assert (set(dev.texts), len(test.texts)) == (unseen, len(TEST))
    assert not set(known.texts) & unseen
    del inputs["test"]
    _, dev, test = divided(inputs, COLOURS)
    assert set(dev.texts) | set(test.texts) == unseen
    assert not set(dev.texts) & set(test.texts)
    assert np.abs(dev.sizes - test.sizes).max() <= 1


def test_a_rung_that_another_one_beats_is_not_on_the_front() -> None:
    def rung(accuracy: float, size: int, time: float) -> dict[str, Any]:
        return {"accuracy": accuracy, "bytes": size, "p50_ms": time}

    found = marked([rung(0.8, 1, 0.1), rung(0.9, 5, 0.1), rung(0.85, 6, 0.2), rung(0.95, 9, 5)])
    assert [one["front"] for one in found] == [True, True, False, True]


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
    same = loss(larger, larger)
    assert same.points == 0
    assert -0.2 < same.low < 0 < same.high
    few = loss(larger[:12], larger[:12])  # a dozen texts are no proof
    assert few.low < -5


def test_texts_that_the_teacher_learnt_from_do_not_judge(tmp_path: Path) -> None:
    data, new = rows(tmp_path / "gold", EXAMPLES), rows(tmp_path / "new", [*TEST, *EXAMPLES[:9]])
    teacher = as_input(tmp_path, "models/paint")
    few = Input(replace(teacher.artifact, summary={"way": "contrast"}), tmp_path)
    classes = sorted({label for _, label in EXAMPLES})
    given = {compress.ENCODER: teacher, compress.EXAMPLES: data}
    with pytest.raises(BadInput, match="learnt from all of them, so none is left to judge by"):
        divided({**given, compress.ENCODER: few}, classes)
    with pytest.raises(BadInput, match="All of data/gold is among what the classifier learnt"):
        divided({**given, compress.TEST: data}, classes)
    known, dev, test = divided({**given, compress.TEST: new, compress.ENCODER: few}, classes)
    assert len(known.texts) == len(EXAMPLES)
    assert len(dev.texts) + len(test.texts) == len(TEST)
    assert not set(dev.texts) & set(test.texts)
    known, dev, test = divided({**given, compress.TEST: new}, classes)
    assert sorted(test.texts) == sorted(text for text, _ in TEST)
    assert not {*known.texts} & {*dev.texts}
