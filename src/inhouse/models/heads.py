"""The head of a classifier beside its encoder: what tells classes, and when it abstains.

It is kept as ``head.safetensors`` and ``classes.json``; the encoder is the business of `build`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from inhouse.core.errors import BadInput
from inhouse.models import pull
from inhouse.models.builtin import Kind
from inhouse.models.classifier import Linear
from inhouse.models.weight_files import read_json
from inhouse.models.weights import Weights, open_safetensors, save_safetensors

WEIGHTS, CLASSES = "head.safetensors", "classes.json"
FILES = (WEIGHTS, CLASSES)


@dataclass(frozen=True, slots=True)
class Head:
    """What tells the classes of unit vectors; with less than `below` confidence it abstains."""

    linear: Linear
    below: float


def kind_of(folder: Path, config: Mapping[str, Any]) -> Kind:
    """Say what the model in a folder is for: an encoder with a head is a classifier."""
    return "classifier" if (folder / WEIGHTS).is_file() else pull.kind_of(config)


def save(head: Head, folder: Path) -> None:
    """Write a head."""
    weights = head.linear.weights
    save_safetensors(Weights({}, {"head": weights.shape}, lambda _: weights), folder / WEIGHTS)
    about = {"classes": list(head.linear.classes), "abstain_below": head.below}
    (folder / CLASSES).write_bytes(orjson.dumps(about, option=orjson.OPT_INDENT_2))


def load(folder: Path, width: int) -> Head:
    """Read a head on vectors of so many numbers.

    Raises:
        BadInput: a file is missing, or they do not belong together.
    """
    if not (folder / WEIGHTS).is_file():
        raise BadInput(f"{folder} holds no classifier.", "Name a model of the method classify.")
    match read_json(folder / CLASSES):
        case {"classes": [str(), str(), *_] as classes, "abstain_below": float(below)}:
            found = open_safetensors([folder / WEIGHTS], {})
            weights = found.take("head", width + 1, len(classes))
            return Head(Linear(classes, weights), below)
    raise BadInput(f"{CLASSES} does not say the classes.", "Train the classifier again.")
