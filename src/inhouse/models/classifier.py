"""A small classifier over unit vectors of texts: logistic regression, learnt in seconds.

Where the vectors come from, an embedder or hashed n-grams, is up to whoever trains it.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inhouse.core.errors import BadInput

PENALTY = 0.1
"""What the square of a weight costs, against the loss of one text: half of it is added."""
STEPS = 60
REMEMBERED = 8
FLAT = 0.01
FOLDS = 5

Vectors = npt.NDArray[np.float32]
Vectorise = Callable[[Sequence[str]], Vectors]
"""Texts to unit vectors, float32 of shape [len(texts), width]."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Tells the classes of unit vectors.

    `weights` are [width + 1, classes]; the last row are biases.
    """

    classes: Sequence[str]
    weights: Vectors

    def scores(self, vectors: Vectors) -> Vectors:
        """Return what `softmax` makes probabilities of, float32 of shape [vectors, classes]."""
        return _with_bias(vectors) @ self.weights

    def judge(self, vectors: Vectors) -> Vectors:
        """Return probabilities, float32 of shape [vectors, classes]."""
        return softmax(self.scores(vectors))


@dataclass(frozen=True, slots=True)
class TextClassifier:
    """Puts texts into the classes that it was trained on; a `core.protocols.Classifier`."""

    linear: Linear
    vectorise: Vectorise

    @property
    def classes(self) -> Sequence[str]:
        """The classes, in the order of the scores."""
        return self.linear.classes

    def classify(self, texts: Sequence[str]) -> Vectors:
        """Return probabilities, float32 of shape [len(texts), len(classes)]."""
        return self.judge(self.vectorise(texts))

    def judge(self, vectors: Vectors) -> Vectors:
        """Do as `classify` does, with vectors that are there already."""
        return self.linear.judge(vectors)


def train(vectors: Vectors, labels: Sequence[str], vectorise: Vectorise) -> TextClassifier:
    """Return a classifier that was trained on texts with their labels.

    Args:
        vectors: those of the texts, as `vectorise` makes them.
        labels: their labels.
        vectorise: makes the vectors of texts that come later.

    Raises:
        BadInput: all labels are the same.
    """
    return TextClassifier(fit(vectors, labels), vectorise)


def fit(vectors: Vectors, labels: Sequence[str]) -> Linear:
    """Return what tells the classes of vectors, by logistic regression; classes are in order.

    Raises:
        BadInput: all labels are the same.
    """
    classes, wanted = np.unique(np.array(labels), return_inverse=True)
    if len(classes) < 2:
        raise BadInput("All examples have the same label.", "Give some with another one.")
    weights = _learnt(_with_bias(vectors), wanted, len(classes))
    return Linear([str(name) for name in classes], weights)


def accuracy(classifier: TextClassifier | Linear, vectors: Vectors, labels: Sequence[str]) -> float:
    """Return the share of texts whose likeliest class is their label."""
    best = classifier.judge(vectors).argmax(1)
    right = [classifier.classes[i] == label for i, label in zip(best, labels, strict=True)]
    return float(np.mean(right))


def cross_validated(vectors: Vectors, labels: Sequence[str], keys: Sequence[str]) -> float:
    """Return the accuracy on texts that were not trained on, over five folds.

    Texts with the same key are in the same fold, so that no copy is seen before.

    Raises:
        BadInput: there are too few texts of some class to leave some out.
    """
    folds = np.array([_fold(key) for key in keys])
    names, right = np.array(labels), 0.0
    for fold in range(FOLDS):
        seen, unseen = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if not len(unseen):
            continue
        if set(names[seen]) != set(names):
            raise BadInput(
                "There are too few rows of a class to see how well it is told from the others.",
                f"Give at least {4 * FOLDS} of each.",
            )
        classifier = fit(vectors[seen], names[seen].tolist())
        right += accuracy(classifier, vectors[unseen], names[unseen].tolist()) * len(unseen)
    return right / len(names)


def _fold(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) % FOLDS


def _with_bias(vectors: Vectors) -> Vectors:
    return np.concatenate([vectors, np.ones((len(vectors), 1), np.float32)], axis=1)


def softmax(scores: Vectors) -> Vectors:
    """Return scores [texts, classes] as probabilities."""
    parts: Vectors = np.exp(scores - scores.max(1, keepdims=True))
    parts /= parts.sum(1, keepdims=True)
    return parts


def _learnt(vectors: Vectors, wanted: npt.NDArray[np.intp], classes: int) -> Vectors:
    """Return the weights at which the loss is least, by L-BFGS (Liu and Nocedal, 1989)."""
    right = np.zeros((len(vectors), classes), np.float32)
    right[np.arange(len(vectors)), wanted] = 1

    def loss(weights: Vectors) -> tuple[float, Vectors]:
        guesses = softmax(vectors @ weights)
        sure = guesses[np.arange(len(vectors)), wanted].astype(np.float64)
        cost = PENALTY / 2 * float(np.vdot(weights, weights))
        slope = vectors.T @ (guesses - right) + np.float32(PENALTY) * weights
        return cost - float(np.log(np.maximum(sure, 1e-30)).sum()), slope

    weights = np.zeros((vectors.shape[1], classes), np.float32)
    value, slope = loss(weights)
    start = float(np.abs(slope).max())
    past: deque[tuple[Vectors, Vectors]] = deque(maxlen=REMEMBERED)
    for _ in range(STEPS):
        if float(np.abs(slope).max()) <= FLAT * start:
            break
        direction = _direction(slope, past)
        descent, size = (
            float(np.vdot(slope, direction)),
            1.0 if past else 1.0 / float(np.abs(slope).sum()),
        )
        while True:
            moved = weights + np.float32(size) * direction
            new, ahead = loss(moved)
            if new <= value + 1e-4 * size * descent or size < 1e-8:
                break
            size /= 2
        if float(np.vdot(ahead - slope, moved - weights)) > 0:
            past.append((moved - weights, ahead - slope))
        weights, value, slope = moved, new, ahead
    return weights


def _direction(slope: Vectors, past: Sequence[tuple[Vectors, Vectors]]) -> Vectors:
    """Return where to go: down, as far as the curvature of the last steps tells."""
    direction, weighed = -slope, []
    for step, change in reversed(past):
        share = np.vdot(step, direction) / np.vdot(step, change)
        direction = direction - share * change
        weighed.append(share)
    if past:
        step, change = past[-1]
        direction = direction * (np.vdot(step, change) / np.vdot(change, change))
    for (step, change), share in zip(past, reversed(weighed), strict=True):
        direction = direction + (share - np.vdot(change, direction) / np.vdot(step, change)) * step
    return direction
