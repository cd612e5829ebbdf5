"""A small classifier in its folder: it is told how sure it may be, and when to say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from inhouse.compress.lessons import UNLIKELY
from inhouse.core.protocols import OwnClasses
from inhouse.models import bag, calibration, heads, student
from inhouse.models.classifier import Linear, softmax
from inhouse.models.examples import Examples
from inhouse.models.load import load_classifier
from inhouse.models.small import Floats, Small
from inhouse.models.weight_files import read_json

RIGHT = 0.95
"""The share of answers that shall be right; with less confidence a classifier abstains."""


def settled(folder: Path, dev: Examples) -> Mapping[str, float]:
    """Make a classifier say how sure it is, on texts that it did not learn from.

    Returns: below which confidence it abstains, how much it answers then, and how rightly.
    """
    said = np.asarray(opened(folder).classify(dev.texts), np.float32)
    scores: Floats = np.log(np.maximum(said, np.float32(UNLIKELY)))
    heat = calibration.temperature(scores, dev.labels)
    sure = softmax(scores / np.float32(heat))
    point = calibration.operating(sure, dev.labels, right=RIGHT)
    _tell(folder, heat, point.below)
    return {name: round(value, 4) for name, value in asdict(point).items()}


def opened(folder: Path) -> OwnClasses:
    """Open the classifier in a folder; it works on one thread."""
    return load_classifier(folder, name="small", threads=1)


def size(folder: Path) -> int:
    """Return the bytes of all files in a folder that serving reads."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _tell(folder: Path, heat: float, below: float) -> None:
    small = _small(folder)
    if small is not None:
        small.temperature, small.below = small.temperature * heat, below
        small.save(folder)
        return
    head = heads.load(folder, read_json(folder / "config.json")["hidden_size"])
    weights: Floats = head.linear.weights / np.float32(heat)
    heads.save(heads.Head(Linear(head.linear.classes, weights), below), folder)


def _small(folder: Path) -> Small | None:
    if (folder / student.WEIGHTS).is_file():
        return student.Student.load(folder)
    return bag.Bag.load(folder) if (folder / bag.WEIGHTS).is_file() else None
