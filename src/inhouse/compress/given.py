"""What is given to be learnt from: examples, which of them judge, and more texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inhouse.catalog.rows import kind_of, read_rows
from inhouse.compress.encoders import words_of
from inhouse.compress.lessons import NO_LABEL, Lessons
from inhouse.compress.variants import neighbours, variants
from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput
from inhouse.core.protocols import Classifier
from inhouse.core.stage import Inputs
from inhouse.models.examples import HELD_OUT, Examples, folds, key_of

TEACHER, ENCODER, EXAMPLES, TEST, TEXTS = "teacher", "encoder", "examples", "test", "texts"
HOLDS_OUT = "tuned"
"""The way of learning in which a classifier holds some of its examples out."""


def divided(inputs: Inputs, classes: Sequence[str]) -> tuple[Examples, Examples, Examples]:
    """Return what is learnt from, what a rung is chosen by, and what it is judged by.

    Neither of the last two was seen by the teacher, which would look too good on what it learnt:
    it holds the first fold out, if its examples are many, and nothing if they are few. Without
    other tests, half of what it held out chooses and half judges; if it held out nothing, the tests
    are halved. Tests that it learnt from do not count.

    Raises:
        BadInput: the examples are of other classes, too few, or all known to the teacher.
    """
    examples = _read(inputs[EXAMPLES], classes)
    fold = folds(examples, HELD_OUT)
    if inputs[ENCODER].artifact.summary.get("way", HOLDS_OUT) != HOLDS_OUT:
        fold[:] = -1
    known = examples.part(np.flatnonzero(fold != 0))
    held = examples.part(np.flatnonzero(fold == 0))
    test = _unseen(inputs[TEST], classes, examples) if TEST in inputs else None
    if test is None or not len(held.texts):
        if test is None and not len(held.texts):
            raise BadInput(
                f"{inputs[ENCODER].artifact.ref.path} has few examples and learnt from all of "
                "them, so none is left to judge by.",
                "Name others: 'test: data/NAME'.",
            )
        held, test = _halves(held if test is None else test)
    if not (len(test.texts) and len(known.texts)):
        raise BadInput(
            "There are too few examples of each label to hold some out.",
            "Give more of each, or name others to judge by: 'test: data/NAME'.",
        )
    return known, held, test


def _halves(examples: Examples) -> tuple[Examples, Examples]:
    """Return examples in two halves: of each class every second one, so that they are alike."""
    places = np.lexsort((np.arange(len(examples.texts)), examples.labels))
    first, second = (examples.part(np.sort(places[start::2])) for start in (0, 1))
    return first, second


def _unseen(source: Input, classes: Sequence[str], examples: Examples) -> Examples:
    """Return tests without those that say the same words as an example."""
    test = _read(source, classes)
    known = {key_of(text) for text in examples.texts}
    new = [row for row, text in enumerate(test.texts) if key_of(text) not in known]
    if not new:
        raise BadInput(
            f"All of {source.artifact.ref} is among what the classifier learnt from.",
            "Name others under 'test', or leave it out.",
        )
    return test.part(np.array(new, np.intp))


def lessons(
    inputs: Inputs, own: Examples, teacher: Classifier, *, made_up: float, seed: int
) -> Lessons:
    """Return examples, more texts and variants of the examples, with what the teacher says of them.

    There are `made_up` variants of each example.
    """
    more = _texts(inputs[TEXTS]) if TEXTS in inputs else []
    near = neighbours(*words_of(inputs[ENCODER].folder))
    made = variants(own.texts, own.labels, round(made_up * len(own.texts)), near=near, seed=seed)
    texts = [*own.texts, *more, *made]
    labels = np.full(len(texts), NO_LABEL, np.int64)
    labels[: len(own.texts)] = own.labels
    return Lessons(texts, labels, np.asarray(teacher.classify(texts), np.float32))


def _texts(source: Input) -> list[str]:
    kind = kind_of(source.folder)
    if kind not in ("documents", "examples"):
        raise BadInput(
            f"{source.artifact.ref} holds {kind}, and texts are wanted.",
            "Name a data set of documents or examples under 'texts'.",
        )
    return [row["text"] for row in read_rows(source.folder, ("text",))]


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
