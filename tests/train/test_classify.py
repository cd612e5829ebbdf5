"""A classifier learns from examples: the same bytes each time, also when it was cut off."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
from test_embed import CutOffError, opened, stop_after

from inhouse.catalog import Catalog
from inhouse.catalog.rows import write_rows
from inhouse.core.access import Actor
from inhouse.core.artifact import Input, Ref
from inhouse.core.errors import BadInput, MissingExtra
from inhouse.core.stage import Context, Progress, Result, silent
from inhouse.models import build, calibration, heads
from inhouse.models.examples import Examples, batches, contrasts, folds, weights
from inhouse.models.load import load_classifier
from inhouse.train import classify, embed, few, tuned
from inhouse.train.classify import Classify

MANY = Classify(epochs=12, batch=4, rate=1e-2, head_rate=1e-2, few=1)
FEW = Classify(rate=1e-2)
PAIRS = [
    (f"{word} {n} {end}", label)
    for label, words in {"food": ("lunch", "dinner"), "space": ("desk", "door")}.items()
    for word in words
    for n, end in enumerate(("here", "there", "again", "today", "please"))
]

train = pytest.mark.train


def of(folder: Path, pairs: list[tuple[str, str]]) -> Input:
    folder.mkdir(parents=True, exist_ok=True)
    rows = ({"id": str(n), "text": text, "label": label} for n, (text, label) in enumerate(pairs))
    write_rows(folder, "examples", rows)
    return opened(folder, "data/gold")


@pytest.fixture
def inputs(tmp_path: Path, tiny_weights: Path) -> dict[str, Input]:
    base = opened(tiny_weights, "models/tiny")
    return {"base": base, "examples": of(tmp_path / "examples", PAIRS)}


def run(
    inputs: dict[str, Input], work: Path, spec: Classify = MANY, *, progress: Progress = silent
) -> Result:
    work.mkdir(exist_ok=True)
    return classify.run(spec, inputs, Context(work, Actor("ana"), 0, progress))


def built(work: Path, folder: Path) -> Path:
    folder.mkdir()
    inputs = {"weights": opened(work, "models/intents")}
    build.run(build.Build("classifier"), inputs, Context(folder, Actor("ana")))
    return folder


def bytes_of(work: Path, result: Result) -> dict[str, bytes]:
    files = {path.name: path.read_bytes() for path in work.iterdir() if path.is_file()}
    return {name: found for name, found in files.items() if name not in result.scratch}


def test_texts_of_the_same_words_are_held_out_together():
    pairs = [("A card, please", "a"), ("please a CARD", "a"), ("7 cards", "a"), ("8 cards", "a")]
    pairs += [("alone", "b"), ("one", "c"), ("two", "c")]
    found = folds(Examples.of(pairs), 10)
    assert found[0] == found[1] != found[2] == found[3]
    assert found[4] == -1
    assert sorted(found[5:]) == [0, 1]
    assert np.array_equal(folds(Examples.of(pairs), 10), found)


def test_batches_have_little_padding_and_every_text_once():
    chance = Random(0)
    lengths = [chance.randint(4, 60) for _ in range(9_000)]
    found = batches(lengths, 32, chance)
    assert sorted(row for batch in found for row in batch) == list(range(9_000))
    assert tuned._padding(lengths, found) < 0.05


def test_a_contrast_has_pairs_of_each_class():
    labels = np.array([0] * 3 + [1] * 40 + [2] * 2)
    for batch in contrasts(labels, 16, 5, Random(0)):
        assert len(set(batch)) == len(batch)
        assert min(np.bincount(labels[batch])) >= 2


def test_small_classes_count_more_if_classes_are_uneven():
    assert weights(np.array([50, 60])).tolist() == [1, 1]
    large, small = weights(np.array([400, 100]))
    assert small == pytest.approx(2 * large)
    assert 400 * large + 100 * small == pytest.approx(500)


def test_confidence_is_what_it_says():
    chance = np.random.default_rng(0)
    wanted = chance.integers(0, 4, 4_000)
    scores = chance.normal(0, 1, (4_000, 4)).astype(np.float32)
    scores[np.arange(4_000), wanted] += 1.5
    said = scores * 6  # far too sure of itself
    heat = calibration.temperature(said, wanted)
    assert heat == pytest.approx(calibration.temperature(scores, wanted) * 6, rel=0.01)
    sure = calibration.softmax(said / np.float32(heat))
    assert calibration.miscalibration(sure, wanted) < 0.03
    assert calibration.miscalibration(calibration.softmax(said), wanted) > 0.1
    point = calibration.operating(sure, wanted, right=0.8)
    assert point.right >= 0.8
    assert 0.5 <= point.answered <= 0.98
    hopeless = calibration.operating(sure, wanted, right=1.0)
    assert hopeless.answered == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("count", [24, 480])
def test_all_told_rightly_is_no_reason_to_be_certain(count: int):
    wanted = np.arange(count) % 12
    scores = np.zeros((count, 12), np.float32)
    scores[np.arange(count), wanted] = 9.0
    sure = calibration.softmax(scores / np.float32(calibration.temperature(scores, wanted)))
    assert sure.max(1).mean() == pytest.approx((count + 1) / (count + 2), abs=1e-3)


@train
@pytest.mark.parametrize(("spec", "way"), [(MANY, {"tuned"}), (FEW, set(few.WAYS))])
def test_it_learns_and_its_built_form_says_what_it_learnt(
    inputs: dict[str, Input], tmp_path: Path, spec: Classify, way: set[str]
):
    told = run(inputs, tmp_path / "work", spec).summary
    assert told["way"] in way
    assert (told["kind"], told["licence"], told["classes"]) == ("classifier", "MIT", 2)
    model = load_classifier(built(tmp_path / "work", tmp_path / "built"), name="intents")
    texts = [text for text, _ in PAIRS]
    found = model.classify(texts)
    assert model.classes == ["food", "space"]
    assert found.sum(1) == pytest.approx(1, abs=1e-5)
    right = [
        model.classes[best] == label
        for best, (_, label) in zip(found.argmax(1), PAIRS, strict=True)
    ]
    assert np.mean(right) > 0.8
    assert model.below == pytest.approx(told["abstains"]["below"])
    for text, together in zip(texts, found, strict=True):
        assert np.array_equal(model.classify([text])[0], together)
    card = (tmp_path / "work" / classify.CARD).read_text(encoding="utf-8")
    assert f"accuracy {told['accuracy']:.2%}" in card


@train
@pytest.mark.parametrize(
    "steps", [7, pytest.param(2, marks=pytest.mark.slow), pytest.param(33, marks=pytest.mark.slow)]
)
def test_many_that_were_cut_off_end_in_the_same_bytes(
    inputs: dict[str, Input], tmp_path: Path, steps: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tuned, "KEEP_EVERY", 3)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    result = run(inputs, whole)
    with pytest.raises(CutOffError):
        run(inputs, cut, progress=stop_after(steps))
    (cut / f"{tuned.CHECKPOINT}.part").write_bytes(b"half a checkpoint")
    seen: list[int] = []
    again = run(inputs, cut, progress=lambda done, *_: seen.append(done))
    assert seen[0] <= steps
    assert bytes_of(cut, again) == bytes_of(whole, result)
    assert again.summary == result.summary


@train
@pytest.mark.parametrize(
    "nth", [25, pytest.param(3, marks=pytest.mark.slow), pytest.param(50, marks=pytest.mark.slow)]
)
def test_few_that_were_cut_off_end_in_the_same_bytes(
    inputs: dict[str, Input], tmp_path: Path, nth: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(few, "KEEP_EVERY", 8)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    result = run(inputs, whole, FEW)
    with pytest.raises(CutOffError):
        run(inputs, cut, FEW, progress=after_calls(nth))
    again = run(inputs, cut, FEW)
    assert bytes_of(cut, again) == bytes_of(whole, result)
    assert again.summary == result.summary


def after_calls(most: int) -> Callable[[int, int, str], None]:
    calls = iter(range(most))

    def progress(done: int, total: int, unit: str) -> None:
        if next(calls, None) is None:
            raise CutOffError

    return progress


@train
@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([("one", "a"), ("two", "a")], "same label"),
        ([("one", "a"), ("two", "b")], "but one example of each"),
    ],
)
def test_too_little_is_refused(
    inputs: dict[str, Input], tmp_path: Path, pairs: list[tuple[str, str]], said: str
):
    inputs["examples"] = of(tmp_path / "little", pairs)
    with pytest.raises(BadInput, match=f"data/gold.*{said}"):
        run(inputs, tmp_path / "work")


def test_without_the_extra_one_sentence_says_what_to_install(
    inputs: dict[str, Input], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(embed, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="Training a classifier"):
        run(inputs, tmp_path / "work")


def test_a_head_that_does_not_fit_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="holds no classifier"):
        heads.load(tmp_path, 4)
    linear = heads.Linear(["a", "b"], np.ones((5, 2), np.float32))
    heads.save(heads.Head(linear, 0.5), tmp_path)
    assert np.array_equal(heads.load(tmp_path, 4).linear.weights, linear.weights)
    with pytest.raises(BadInput, match="the shape"):
        heads.load(tmp_path, 8)


def banking(part: str) -> list[tuple[str, str]]:
    folder = Path(os.environ.get("INHOUSE_DATA", ""), "banking77")
    if not folder.is_dir():
        pytest.skip("INHOUSE_DATA names no folder with the set banking77")
    with (folder / f"{part}.csv").open(encoding="utf-8", newline="") as lines:
        return [(row["text"], row["category"]) for row in csv.DictReader(lines)]


def minilm(store: Path) -> Input:
    catalog = Catalog(store / ".inhouse")
    try:
        return opened(catalog.load(Ref.parse("models/minilm")).folder, "models/minilm")
    finally:
        catalog.close()


def accuracy(folder: Path, pairs: list[tuple[str, str]]) -> float:
    model = load_classifier(folder, name="intents")
    best = model.classify([text for text, _ in pairs]).argmax(1)
    right = [model.classes[i] == label for i, (_, label) in zip(best, pairs, strict=True)]
    return float(np.mean(right))


@train
@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.data
def test_four_intents_of_real_questions(weights_store: Path, tmp_path: Path):
    wanted = ("card_arrival", "exchange_rate", "age_limit", "lost_or_stolen_card")
    pairs = [pair for pair in banking("train") if pair[1] in wanted]
    some = [pair for label in wanted for pair in [p for p in pairs if p[1] == label][:20]]
    inputs = {"base": minilm(weights_store), "examples": of(tmp_path / "examples", some)}
    told = run(inputs, tmp_path / "work", Classify(epochs=2)).summary
    assert told["way"] == "tuned"
    tests = [pair for pair in banking("test") if pair[1] in wanted]
    assert accuracy(built(tmp_path / "work", tmp_path / "built"), tests) > 0.95


@train
@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.data
@pytest.mark.timeout(1_200)
def test_all_intents_of_real_questions(weights_store: Path, tmp_path: Path):
    """Twenty questions of each: what all of them bring takes half an hour, and is a bench."""
    known: dict[str, list[tuple[str, str]]] = {}
    for pair in banking("train"):
        known.setdefault(pair[1], []).append(pair)
    some = [pair for own in known.values() for pair in own[:20]]
    inputs = {"base": minilm(weights_store), "examples": of(tmp_path / "examples", some)}
    told = run(inputs, tmp_path / "work", Classify()).summary
    assert told["way"] == "tuned"
    tests = banking("test")[::4]
    assert accuracy(built(tmp_path / "work", tmp_path / "built"), tests) >= 0.85
