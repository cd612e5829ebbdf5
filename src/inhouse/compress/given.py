"""What is given to be learnt from: examples, which of them judge, and more texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inhouse.catalog.rows import kind_of, read_rows
from inhouse.compress.lessons import NO_LABEL, Lessons
from inhouse.compress.variants import variants
from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput
from inhouse.core.protocols import Classifier
from inhouse.core.stage import Inputs
from inhouse.models.examples import HELD_OUT, Examples, folds

TEACHER, ENCODER, EXAMPLES, TEST, TEXTS = "teacher", "encoder", "examples", "test", "texts"


def divided(inputs: Inputs, classes: Sequence[str]) -> tuple[Examples, Examples, Examples]:
    """Return what is learnt from, what a rung is chosen by, and what it is judged by.

    Neither of the last two was seen by the teacher, which would look too good on what it learnt:
    it holds the first fold out. Without other tests, half of that chooses and half judges.

    Raises:
        BadInput: the examples are of other classes, or too few.
    """
    examples = _read(inputs[EXAMPLES], classes)
    fold = folds(examples, HELD_OUT)
    known = examples.part(np.flatnonzero(fold != 0))
    held = examples.part(np.flatnonzero(fold == 0))
    if TEST in inputs:
        return known, held, _read(inputs[TEST], classes)
    # Of each class every second one, so that both halves are alike.
    places = np.lexsort((np.arange(len(held.texts)), held.labels))
    dev, test = (held.part(np.sort(places[start::2])) for start in (0, 1))
    if not len(test.texts):
        raise BadInput(
            "There are too few examples of each label to hold some out.",
            "Give more of each, or name others to judge by: 'test: data/NAME'.",
        )
    return known, dev, test


def lessons(
    inputs: Inputs, own: Examples, teacher: Classifier, *, made_up: float, seed: int
) -> Lessons:
    """Return examples, more texts and variants of the examples, with what the teacher says of them.

    There are `made_up` variants of each example.
    """
    more = (
        [row["text"] for row in read_rows(inputs[TEXTS].folder, ("text",))]
        if TEXTS in inputs
        else []
    )
    made = variants(own.texts, own.labels, round(made_up * len(own.texts)), seed=seed)
    texts = [*own.texts, *more, *made]
    labels = np.full(len(texts), NO_LABEL, np.int64)
    labels[: len(own.texts)] = own.labels
    return Lessons(texts, labels, np.asarray(teacher.classify(texts), np.float32))


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
