"""Compressing: what each rung of the ladder costs and saves, beside the classifier it is made from.

What is equal and what is not:

- The classifier is all-MiniLM-L6-v2, trained on banking77 by the product. Training takes minutes:
  `TEACHER=folder` keeps it there and takes it from there the next time.
- Every rung learns from the same texts. A development split that the classifier never saw chooses,
  the test set of 3,080 questions is asked once for each rung. The interval is a paired bootstrap.
- Size is all files that serving loads, against the weights in 32 bits with their tokenizer, which
  is what torch and ONNX Runtime load.
- One text at a time, on one thread: ours, torch eager and ONNX Runtime in 32 bits take turns in
  rounds, from the text to the classes. Batches are what each does best with 256 texts.
- The ablation trains one student three times for as many steps: by labels alone, with what the
  classifier says of the same texts, and with made-up texts besides.
- Texts from elsewhere are first requests of other dialogues; a classifier should abstain.
- SmolLM2-135M is asked with one example of each intent in its prompt, and takes the likeliest name.
- `SEEDS=5` makes all rungs five times; one by default. The tweets are another kind of text.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.classify import few, pulled, questions, toxic, trained
from bench.harness.artifacts import opened
from bench.harness.encoders import Eager, Onnx
from bench.harness.measure import Figure, Row
from inhouse.catalog.rows import write_rows
from inhouse.compress import given
from inhouse.compress.convolutions import Settings
from inhouse.compress.judging import loss
from inhouse.compress.lessons import Lessons
from inhouse.compress.rungs import CONVOLUTIONS, Ground, convolution, ladder
from inhouse.compress.settled import opened as load
from inhouse.compress.settled import settled, size
from inhouse.compress.timing import paces
from inhouse.core.access import Actor
from inhouse.core.protocols import Classifier, OwnClasses
from inhouse.core.stage import Context, silent
from inhouse.models import build, pull
from inhouse.models.examples import Examples
from inhouse.models.likelihood import NOTHING, likelihoods, mean
from inhouse.models.load import load_classifier, load_language

SMALL, MIDDLE = 100, 10
LOST, LOST_MIDDLE = -1.0, -0.3
FASTER, FASTER_ONNX = 100.0, 50.0
SAMPLES, ABLATION = 480_000, 80_000
TWEETS, ELSEWHERE, ASKED, BATCH = 1_500, 500, 20, 256

Pairs = Sequence[tuple[str, str]]


class Teacher(NamedTuple):
    """A trained classifier: what training left, and what is served."""

    trained: Path
    built: Path
    examples: Path


@dataclass(frozen=True, slots=True)
class Setting:
    """What rungs are made from and judged by."""

    name: str
    ground: Ground
    teacher: Classifier
    whole: int
    dev: Examples
    test: Examples


@dataclass(frozen=True, slots=True)
class Rung:
    """A rung that was made, and which of the test it told rightly, bool [texts]."""

    name: str
    model: OwnClasses
    bytes: int
    dev: float
    right: np.ndarray[tuple[int], np.dtype[np.bool_]]


def run() -> Iterator[Row]:
    """Measure the ladder; nothing if the data are missing."""
    data = Path(os.environ.get("INHOUSE_DATA", ""))
    if not (data / "banking77").is_dir():
        print("INHOUSE_DATA names no folder with the set banking77: nothing measured.")
        return
    known, asked = (questions(data / "banking77" / f"{part}.csv") for part in ("train", "test"))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        teacher = taught(Path(os.environ.get("TEACHER", work / "teacher")), known)
        banking = setting("banking77", teacher, asked, work / "banking", 4.0)
        for seed in range(int(os.environ.get("SEEDS", "1"))):
            ground = replace(banking.ground, seed=seed)
            made = climbed(replace(banking, ground=ground), work / f"seed{seed}")
            yield from judged(banking, made, "" if seed == 0 else f", seed {seed}")
            if seed == 0:
                yield from timed(banking, made, teacher, work)
                yield from strangers(made, first_requests(data / "dialogues" / "sgd.jsonl"))
                students = made
        yield from ablation(banking)
        tweets = toxic(data / "toxicity" / "davidson.csv")
        if tweets:
            other = taught(work / "tweets", tweets[:TWEETS])
            toxicity = setting("tweets", other, tweets[TWEETS : 2 * TWEETS], work / "toxicity", 2.0)
            toxicity = replace(toxicity, ground=replace(toxicity.ground, samples=SAMPLES // 12))
            yield from judged(toxicity, climbed(toxicity, work / "rungs"), ": tweets")
        yield from few_shot(work, known, banking.test, students)


def taught(folder: Path, known: Pairs) -> Teacher:
    """Train a classifier, or take the one that a folder already holds."""
    found = Teacher(folder / "own" / "work", folder / "own" / "built", folder / "own" / "examples")
    if not (found.built / build.MODEL).is_file():
        print("Training the classifier that the others learn from.", file=sys.stderr)
        folder.mkdir(parents=True)
        trained(folder / "own", pulled(folder / "base"), known)
    return found


def setting(name: str, teacher: Teacher, asked: Pairs, folder: Path, made_up: float) -> Setting:
    """Let the classifier say what it makes of the examples and of made-up texts."""
    folder.mkdir()
    rows = ({"id": str(n), "text": text, "label": label} for n, (text, label) in enumerate(asked))
    write_rows(folder, "examples", rows)
    inputs = {
        given.ENCODER: opened(teacher.trained, "models/whole"),
        given.EXAMPLES: opened(teacher.examples, "data/gold"),
        given.TEST: opened(folder, "data/test"),
    }
    model = load_classifier(teacher.built, name=name)
    own, dev, test = given.divided(inputs, model.classes)
    lessons = given.lessons(inputs, own, model, made_up=made_up, seed=0)
    ground = Ground(teacher.trained, model.classes, own.texts, lessons, SAMPLES, 0)
    files = (teacher.trained / name for name in ("model.safetensors", "tokenizer.json"))
    whole = sum(file.stat().st_size for file in files) + heads_bytes(teacher.trained)
    return Setting(name, ground, model, whole, dev, test)


def heads_bytes(folder: Path) -> int:
    """Return the bytes of a classifier's head."""
    return (folder / "head.safetensors").stat().st_size


def climbed(setting: Setting, folder: Path) -> list[Rung]:
    """Make every rung of the ladder, the smallest first."""
    found = []
    for number, rung in enumerate(ladder(setting.ground.encoder)):
        at, started = folder / str(number), time.perf_counter()
        at.mkdir(parents=True)
        rung.make(setting.ground, at, silent)
        settled(at, setting.dev)
        model = load(at)
        dev = float(right(model, setting.dev).mean())
        found.append(Rung(rung.name, model, size(at), dev, right(model, setting.test)))
        seconds = time.perf_counter() - started
        print(f"{setting.name}: {rung.name} in {seconds:.0f} s, development {dev:.4f}",
              file=sys.stderr)  # fmt: skip
    return found


def judged(setting: Setting, made: Sequence[Rung], what: str) -> Iterator[Row]:
    """Return size and accuracy of each rung, and whether those that are small enough are good."""
    before = right(setting.teacher, setting.test)
    yield row(f"the classifier{what}: accuracy", float(before.mean()))
    for rung in made:
        lost = loss(rung.right, before)
        figure = Figure(lost.points, lost.low, lost.high)
        yield Row(f"{rung.name}{what}: points", "", figure, None, None, None, None, None)
        yield row(f"{rung.name}{what}: smaller", setting.whole / rung.bytes, unit="x")
    for times, limit, of in ((SMALL, LOST, "low"), (MIDDLE, LOST_MIDDLE, "points")):
        small = [rung for rung in made if setting.whole / rung.bytes >= times]
        if not small:
            continue
        best = max(small, key=lambda rung: rung.dev)
        value = getattr(loss(best.right, before), of)
        name = f"{times}x smaller{what} ({best.name}): {'lower end of ' if of == 'low' else ''}"
        yield row(f"{name}points", value, least=limit if setting.name == "banking77" else None)


def timed(setting: Setting, made: Sequence[Rung], teacher: Teacher, work: Path) -> Iterator[Row]:
    """Return how long one text takes, and how many come through in batches."""
    eager = Eager(teacher.trained)
    onnx = Onnx(eager, work / "model.onnx")
    names = ("torch eager", "ONNX Runtime", "OpenVINO, 16 bits", *(rung.name for rung in made))
    whole = load_classifier(teacher.built, name="whole", threads=1)
    models: list[Classifier] = [eager, onnx, whole, *(rung.model for rung in made)]
    found = paces(models, setting.test.texts)
    small = [rung for rung in made if setting.whole / rung.bytes >= SMALL]
    best = max(small, key=lambda rung: rung.dev).name if small else ""
    for name, pace, model in zip(names, found, models, strict=True):
        yield row(f"{name}: one text, p50", pace.p50_ms, unit="ms")
        yield row(f"{name}: one text, p95", pace.p95_ms, unit="ms")
        started = time.perf_counter()
        model.classify(setting.test.texts[:BATCH])
        rate = BATCH / (time.perf_counter() - started)
        yield row(f"{name}: batches", rate, unit="texts/s")
        if name not in names[:3]:
            for peer, other, least in zip(names, found, (FASTER, FASTER_ONNX), strict=False):
                yield row(f"{name}: faster than {peer}", other.p50_ms / pace.p50_ms, unit="x",
                          least=least if name == best else None)  # fmt: skip


def strangers(made: Sequence[Rung], texts: Sequence[str]) -> Iterator[Row]:
    """Return of how many texts from elsewhere each rung says that it does not know."""
    for rung in made if texts else ():
        told = float((rung.model.classify(texts).max(1) < rung.model.below).mean())
        yield row(f"{rung.name}: texts from elsewhere that it abstains from", told)


def ablation(setting: Setting) -> Iterator[Row]:
    """Return how good the larger student is without teacher, and without made-up texts."""
    lessons, own = setting.ground.lessons, len(setting.ground.own)
    assert lessons.taught is not None
    texts, labels, taught = lessons.texts[:own], lessons.labels[:own], lessons.taught[:own]
    arms: Mapping[str, Lessons] = {
        "labels alone": Lessons(texts, labels),
        "and what the classifier says": Lessons(texts, labels, taught),
        "and made-up texts": lessons,
    }
    width, filters = CONVOLUTIONS[-1]
    before = right(setting.teacher, setting.dev)
    for name, arm in arms.items():
        settings = Settings(width=width, filters=filters, samples=ABLATION)
        student = convolution(replace(setting.ground, lessons=arm), settings, silent)
        lost = loss(right(student, setting.dev), before)
        figure = Figure(lost.points, lost.low, lost.high)
        said = f"ablation, {ABLATION // 1000}k samples, development: {name}: points"
        yield Row(said, "", figure, None, None, None, None, None)


def few_shot(work: Path, known: Pairs, test: Examples, students: Sequence[Rung]) -> Iterator[Row]:
    """Return how well a language model does with an example of each class, and what it costs."""
    chosen = np.random.default_rng(0).choice(len(test.texts), ASKED, replace=False)
    shown = "".join(f"Text: {text}\nLabel: {words(label)}\n\n" for text, label in few(known, 1))
    right, seconds = asyncio.run(_asked(work, shown, test, chosen.tolist()))
    said = f"{ASKED} questions"
    yield row(f"SmolLM2-135M, an example of each: accuracy, {said}", right)
    for rung in students:
        yield row(f"{rung.name}: accuracy, the same {said}", float(rung.right[chosen].mean()))
    yield row("SmolLM2-135M: 1,000 requests, on all cores", seconds * 1000, unit="s")
    for rung in students:
        started = time.perf_counter()
        for place in chosen:
            rung.model.classify([test.texts[place]])
        taken = (time.perf_counter() - started) / ASKED * 1000
        yield row(f"{rung.name}: 1,000 requests, on one core", taken, unit="s")


async def _asked(
    work: Path, shown: str, test: Examples, chosen: Sequence[int]
) -> tuple[float, float]:
    """Return the accuracy of a language model, and the seconds of a question."""
    raw, made = work / "smollm", work / "smollm-built"
    for folder in (raw, made):
        folder.mkdir()
    found = pull.run(pull.Pull.named("smollm2-135m-instruct"), {}, Context(raw, Actor("bench")))
    weights = {"weights": opened(raw, "models/base", dict(found.summary))}
    build.run(build.Build(), weights, Context(made, Actor("bench")))
    model = load_language(made, name="smollm")
    labels = [words(name) for name in test.classes]
    prior = mean([(await likelihoods(model, f"{shown}Text: {n}\nLabel:", labels))[0]
                  for n in NOTHING])  # fmt: skip
    hits, started = 0, time.perf_counter()
    for place in chosen:
        prompt = f"{shown}Text: {test.texts[place]}\nLabel:"
        scores, _ = await likelihoods(model, prompt, labels)
        hits += int(np.argmax(np.subtract(scores, prior))) == test.labels[place]
    seconds = (time.perf_counter() - started) / len(chosen)
    await model.close()
    return float(hits) / len(chosen), seconds


def words(label: str) -> str:
    """Return a label as people write it."""
    return label.replace("_", " ")


def first_requests(file: Path) -> Sequence[str]:
    """Return what users said first in dialogues of another kind."""
    if not file.is_file():
        return []
    with file.open(encoding="utf-8") as lines:
        found = [json.loads(line)["messages"][0]["content"] for line in lines]
    return sorted(set(found))[:ELSEWHERE]


def right(model: Classifier, examples: Examples) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which examples a model tells rightly, bool [texts]."""
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = (
        model.classify(examples.texts).argmax(1) == examples.labels
    )
    return found


def row(name: str, value: float, *, unit: str = "", least: float | None = None) -> Row:
    """Return the row of a figure, with what it should be at least."""
    target, ok = (None, None) if least is None else (f"≥ {least:g}", value >= least)
    return Row(name, unit, Figure.of([value]), None, None, None, target, ok)
