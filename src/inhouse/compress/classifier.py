"""The stage that makes a classifier small: students of several sizes, of which it keeps one.

A student learns from the examples, and from what the teacher says of them and of variants of them.
The smallest that keeps to the budget on a development split is the choice; test texts, which
no student was chosen by, then say whether it holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inhouse.catalog.rows import kind_of, read_rows
from inhouse.compress import convolution
from inhouse.compress.convolution import Lessons, Settings
from inhouse.compress.judging import Loss, Right, loss
from inhouse.compress.variants import variants
from inhouse.compress.vocabulary import trimmed
from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput
from inhouse.core.protocols import Classifier
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.models import calibration
from inhouse.models.chat_format import load_tokenizer
from inhouse.models.classifier import softmax
from inhouse.models.examples import HELD_OUT, Examples, folds
from inhouse.models.student import FILES, Floats, Student
from inhouse.models.weights import open_weights

TEACHER, ENCODER, EXAMPLES, TEST, TEXTS = "teacher", "encoder", "examples", "test", "texts"
REPORT = "report.json"
SIZES = ((64, 96), (128, 192))
"""Width and filters of the students, the smallest first."""
RIGHT = 0.95
"""The share of answers that shall be right; with less confidence a student abstains."""
Opener = Callable[[Input], AbstractContextManager[Classifier]]


@dataclass(frozen=True, slots=True)
class Compress:
    """How small, and at what cost.

    Args:
        points: the points of accuracy that may be lost, the lower end of the interval included.
        passes: how often a student learns from each text.
        most: texts that it learns from at most, repetitions counted.
        variants: new texts that the teacher is asked about, for each example.
    """

    points: float = 1.0
    passes: int = 12
    most: int = 480_000
    variants: float = 4.0


def stage(opened: Opener) -> Stage:
    """Return the stage; `opened` opens the teacher.

    Its inputs are ``teacher``; ``encoder``, a folder with the tokenizer and the word vectors to
    start from; ``examples``, what the teacher learnt from; ``test``, examples that it did not,
    without which those are taken that the teacher held out; and, if there are any, ``texts``
    without labels.
    """

    def run(spec: Compress, inputs: Inputs, ctx: Context) -> Result:
        with opened(inputs[TEACHER]) as teacher:
            return _run(spec, inputs, ctx, teacher)

    return Stage("compress.classifier", 1, run)


def _run(spec: Compress, inputs: Inputs, ctx: Context, teacher: Classifier) -> Result:
    own, dev, test = _divided(inputs, teacher.classes)
    lessons = _lessons(spec, own, _unlabelled(inputs), teacher, ctx.seed)
    samples = min(spec.passes * len(lessons.texts), spec.most)
    encoder = inputs[ENCODER].folder
    tokenizer, rows = trimmed(load_tokenizer(encoder), own.texts)
    vectors = _vectors(encoder)[rows]
    by_teacher = _right(dev, teacher.classify(dev.texts))
    rungs: list[tuple[Student, Loss]] = []
    for number, (width, filters) in enumerate(SIZES):

        def progress(done: int, total: int, unit: str, past: int = number) -> None:
            ctx.progress(past * total + done, len(SIZES) * total, unit)

        settings = Settings(width=width, filters=filters, samples=samples, seed=ctx.seed)
        student = convolution.learn(
            teacher.classes, tokenizer, vectors, lessons, settings, progress=progress
        )
        rungs.append((student, loss(_right(dev, student.classify(dev.texts)), by_teacher)))
        if rungs[-1][1].low >= -spec.points:
            break
    chosen = _chosen(rungs, spec.points)
    sure = _calibrated(chosen, dev)
    chosen.save(ctx.work)
    report = {
        "development": [{**asdict(lost), **_shape(student)} for student, lost in rungs],
        **_tested(chosen, teacher, test),
        "texts": len(own.texts),
        "made_up": len(lessons.texts) - len(own.texts),
        "bytes": sum((ctx.work / name).stat().st_size for name in FILES),
        "teacher_bytes": _bytes(inputs[ENCODER].folder),
        "abstains": sure,
    }
    report["within"] = bool(report["loss"]["low"] >= -spec.points)
    (ctx.work / REPORT).write_text(json.dumps(report, indent=2), encoding="utf-8")
    return Result({"kind": "classifier", "form": "student", **report, **_shape(chosen)})


def _divided(inputs: Inputs, classes: Sequence[str]) -> tuple[Examples, Examples, Examples]:
    """Return what is learnt from, what a student is chosen by, and what it is judged by.

    The teacher holds the first fold out, so without other tests that is it, and the second fold
    chooses; else the first fold chooses, and all others are learnt from.
    """
    examples = _read(inputs[EXAMPLES], classes)
    fold = folds(examples, HELD_OUT)
    held, chooses = fold == 0, fold == (0 if TEST in inputs else 1)
    dev = examples.part(np.flatnonzero(chooses))
    test = _read(inputs[TEST], classes) if TEST in inputs else examples.part(np.flatnonzero(held))
    if not len(dev.texts):
        raise BadInput(
            "There are too few examples of each label to hold some out.", "Give at least 3 of each."
        )
    return examples.part(np.flatnonzero(~held & ~chooses)), dev, test


def _read(source: Input, classes: Sequence[str]) -> Examples:
    ref = source.artifact.ref
    if kind_of(source.folder) != "examples":
        raise BadInput(f"{ref} holds no examples.", "Name a data set of texts with labels.")
    rows = list(read_rows(source.folder, ("text", "label")))
    number = {name: place for place, name in enumerate(classes)}
    strange = sorted({row["label"] for row in rows} - number.keys())
    if strange or not rows:
        said = f"the label {strange[0]!r}, which the classifier does not know" if rows else "no row"
        raise BadInput(f"{ref} has {said}.", "Name examples of the same classes.")
    wanted = np.array([number[row["label"]] for row in rows], np.int64)
    return Examples([row["text"] for row in rows], wanted, classes)


def _unlabelled(inputs: Inputs) -> list[str]:
    if TEXTS not in inputs:
        return []
    return [row["text"] for row in read_rows(inputs[TEXTS].folder, ("text",))]


def _lessons(
    spec: Compress, own: Examples, more: Sequence[str], teacher: Classifier, seed: int
) -> Lessons:
    made = variants(own.texts, own.labels, round(spec.variants * len(own.texts)), seed=seed)
    texts = [*own.texts, *more, *made]
    labels = np.full(len(texts), convolution.NO_LABEL, np.int64)
    labels[: len(own.texts)] = own.labels
    return Lessons(texts, labels, np.asarray(teacher.classify(texts), np.float32))


def _vectors(encoder: Path) -> Floats:
    weights = open_weights(encoder)
    name = "embeddings.word_embeddings.weight"
    found: Floats = np.asarray(weights.take(name if name in weights else f"bert.{name}"))
    return found


def _right(examples: Examples, said: Floats) -> Right:
    """Return which examples are told rightly by probabilities, bool [texts]."""
    right: Right = said.argmax(1) == examples.labels
    return right


def _chosen(rungs: Sequence[tuple[Student, Loss]], points: float) -> Student:
    """Return the smallest within the budget, or the best if none is."""
    within = [student for student, lost in rungs if lost.low >= -points]
    return within[0] if within else max(rungs, key=lambda rung: rung[1].points)[0]


def _calibrated(student: Student, dev: Examples) -> Mapping[str, float]:
    """Make the student say how sure it is, and when it had better say nothing."""
    scores = np.stack([student.score(text) for text in dev.texts])
    student.temperature = calibration.temperature(scores, dev.labels)
    sure = softmax(scores / np.float32(student.temperature))
    point = calibration.operating(sure, dev.labels, right=RIGHT)
    student.below = point.below
    return {name: round(value, 4) for name, value in asdict(point).items()}


def _bytes(encoder: Path) -> int:
    files = [*encoder.glob("*.safetensors"), encoder / "tokenizer.json"]
    return sum(file.stat().st_size for file in files)


def _shape(student: Student) -> Mapping[str, Any]:
    known = student.parameters
    return {
        "pieces": len(known.vectors),
        "width": known.vectors.shape[1],
        "filters": len(known.filters[0]),
    }


def _tested(student: Student, teacher: Classifier, test: Examples) -> dict[str, Any]:
    """Return what test texts say, which decided nothing."""
    small, large = student.classify(test.texts), teacher.classify(test.texts)
    right, before = _right(test, small), _right(test, large)
    return {
        "held_out": len(test.texts),
        "accuracy": round(float(right.mean()), 4),
        "teacher": round(float(before.mean()), 4),
        "agreement": round(float((small.argmax(1) == large.argmax(1)).mean()), 4),
        "loss": asdict(loss(right, before)),
    }
