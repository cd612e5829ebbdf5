"""The stage that makes a classifier small: students of several sizes, of which it keeps one.

A student learns from the examples, and from what the teacher says of them and of variants of them.
The smallest that keeps to the budget on a development split is the choice; test texts, which
nothing was chosen by, then say whether it holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inhouse.catalog.rows import kind_of, read_rows
from inhouse.compress import convolution
from inhouse.compress.convolution import Lessons, Settings
from inhouse.compress.judging import Loss, loss
from inhouse.compress.variants import variants
from inhouse.compress.vocabulary import trimmed
from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput, MissingExtra
from inhouse.core.protocols import Classifier
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.models.chat_format import load_tokenizer
from inhouse.models.student import Floats, Student
from inhouse.models.weights import open_weights

TEACHER, ENCODER, EXAMPLES, TEST, TEXTS = "teacher", "encoder", "examples", "test", "texts"
REPORT = "report.json"
SIZES = ((64, 96), (128, 192))
"""Width and filters of the students, the smallest first."""
DEV = 8
"""One of so many examples says which student is kept."""
Opener = Callable[[Input], AbstractContextManager[Classifier]]


@dataclass(frozen=True, slots=True)
class Compress:
    """How small, and at what cost.

    Args:
        points: the points of accuracy that may be lost, the lower end of the interval included.
        samples: texts that a student learns from, repetitions counted.
        variants: new texts that the teacher is asked about, for each example.
    """

    points: float = 1.0
    samples: int = 480_000
    variants: float = 4.0


@dataclass(frozen=True, slots=True)
class _Examples:
    """Texts with the class of each by number, int64 [texts]."""

    texts: Sequence[str]
    wanted: npt.NDArray[np.int64]

    def where(self, mask: npt.NDArray[np.bool_]) -> _Examples:
        return _Examples([self.texts[n] for n in np.flatnonzero(mask).tolist()], self.wanted[mask])

    def right(self, said: Floats) -> npt.NDArray[np.bool_]:
        """Return which are told rightly by probabilities, bool [texts]."""
        right: npt.NDArray[np.bool_] = said.argmax(1) == self.wanted
        return right


def stage(opened: Opener) -> Stage:
    """Return the stage; `opened` opens the teacher.

    Its inputs are ``teacher``; ``encoder``, a folder with the tokenizer and the word vectors to
    start from; ``examples``, what the teacher learnt from; ``test``, examples that it did not; and,
    if there are any, ``texts`` without labels.
    """

    def run(spec: Compress, inputs: Inputs, ctx: Context) -> Result:
        if not find_spec("torch"):
            raise MissingExtra("Compressing a classifier", "train")
        with opened(inputs[TEACHER]) as teacher:
            return _run(spec, inputs, ctx, teacher)

    return Stage("compress.classifier", 1, run)


def _run(spec: Compress, inputs: Inputs, ctx: Context, teacher: Classifier) -> Result:
    examples = _read(inputs[EXAMPLES], teacher.classes)
    test = _read(inputs[TEST], teacher.classes)
    for_dev = np.array([_eighth(text) for text in examples.texts])
    dev, own = examples.where(for_dev), examples.where(~for_dev)
    if not len(dev.texts):
        raise BadInput("There are too few examples to hold some out.", "Give 50 at least.")
    lessons = _lessons(spec, own, _unlabelled(inputs), teacher, ctx.seed)
    encoder = inputs[ENCODER].folder
    tokenizer, rows = trimmed(load_tokenizer(encoder), own.texts)
    vectors = _vectors(encoder)[rows]
    by_teacher = dev.right(teacher.classify(dev.texts))
    rungs: list[tuple[Student, Loss]] = []
    for number, (width, filters) in enumerate(SIZES):

        def progress(done: int, total: int, unit: str, past: int = number) -> None:
            ctx.progress(past * total + done, len(SIZES) * total, unit)

        settings = Settings(width=width, filters=filters, samples=spec.samples, seed=ctx.seed)
        student = convolution.learn(
            teacher.classes, tokenizer, vectors, lessons, settings, progress=progress
        )
        rungs.append((student, loss(dev.right(student.classify(dev.texts)), by_teacher)))
        if rungs[-1][1].low >= -spec.points:
            break
    chosen = _chosen(rungs, spec.points)
    chosen.save(ctx.work, examples=str(inputs[EXAMPLES].artifact.ref))
    report = {
        "development": [{**asdict(lost), **_shape(student)} for student, lost in rungs],
        **_tested(chosen, teacher, test),
        "texts": len(own.texts),
        "variants": len(lessons.texts) - len(own.texts),
        "bytes": sum(file.stat().st_size for file in ctx.work.iterdir()),
    }
    report["within"] = bool(report["loss"]["low"] >= -spec.points)
    (ctx.work / REPORT).write_text(json.dumps(report, indent=2), encoding="utf-8")
    return Result({"kind": "classifier", "form": "student", **report, **_shape(chosen)})


def _read(source: Input, classes: Sequence[str]) -> _Examples:
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
    return _Examples([row["text"] for row in rows], wanted)


def _eighth(text: str) -> bool:
    # By the words alone, so that a copy in other letters is on the same side.
    key = " ".join(text.lower().split())
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) % DEV == 0


def _unlabelled(inputs: Inputs) -> list[str]:
    return (
        [row["text"] for row in read_rows(inputs[TEXTS].folder, ("text",))]
        if (TEXTS in inputs)
        else []
    )


def _lessons(
    spec: Compress, own: _Examples, more: Sequence[str], teacher: Classifier, seed: int
) -> Lessons:
    made = variants(own.texts, own.wanted, round(spec.variants * len(own.texts)), seed=seed)
    texts = [*own.texts, *more, *made]
    labels = np.full(len(texts), convolution.NO_LABEL, np.int64)
    labels[: len(own.texts)] = own.wanted
    return Lessons(texts, labels, np.asarray(teacher.classify(texts), np.float32))


def _vectors(encoder: Path) -> Floats:
    weights = open_weights(encoder)
    name = "embeddings.word_embeddings.weight"
    found: Floats = np.asarray(weights.take(name if name in weights else f"bert.{name}"))
    return found


def _chosen(rungs: Sequence[tuple[Student, Loss]], points: float) -> Student:
    """Return the smallest within the budget, or the best if none is."""
    within = [student for student, lost in rungs if lost.low >= -points]
    return within[0] if within else max(rungs, key=lambda rung: rung[1].points)[0]


def _shape(student: Student) -> Mapping[str, Any]:
    known = student.parameters
    return {
        "pieces": len(known.vectors),
        "width": known.vectors.shape[1],
        "filters": len(known.filters[0]),
    }


def _tested(student: Student, teacher: Classifier, test: _Examples) -> dict[str, Any]:
    """Return what test texts say, which decided nothing."""
    small, large = student.classify(test.texts), teacher.classify(test.texts)
    right, before = test.right(small), test.right(large)
    return {
        "test": len(test.texts),
        "accuracy": round(float(right.mean()), 4),
        "teacher": round(float(before.mean()), 4),
        "agreement": round(float((small.argmax(1) == large.argmax(1)).mean()), 4),
        "loss": {name: round(value, 2) for name, value in asdict(loss(right, before)).items()},
    }
