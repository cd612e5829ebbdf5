"""What small classifiers have in common: how scores become probabilities, and a byte a weight.

Each text is scored by itself, so an answer cannot depend on what else is asked.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inhouse.models import arrays

Floats = npt.NDArray[np.float32]
Arrays = Mapping[str, npt.NDArray[Any]]
STEADY = 1e-5


class Small(ABC):
    """Puts texts into classes with numpy alone; a `core.protocols.Classifier`.

    Args:
        classes: in the order of the scores.
        temperature: what scores are divided by, so that confidence is what it says.
        below: with less confidence it had better say nothing.
    """

    def __init__(
        self, classes: Sequence[str], *, temperature: float = 1.0, below: float = 0.0
    ) -> None:
        self.classes = tuple(classes)
        self.temperature, self.below = temperature, below

    @abstractmethod
    def score(self, text: str) -> Floats:
        """Return the score of each class before it becomes a probability, float32 [classes]."""

    @abstractmethod
    def tokens(self, texts: Sequence[str]) -> int:
        """Return how many pieces `classify` reads for these texts."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write it into a folder."""

    def classify(self, texts: Sequence[str]) -> Floats:
        """Return probabilities, float32 of shape [len(texts), len(classes)]."""
        found = np.empty((len(texts), len(self.classes)), np.float32)
        for place, text in enumerate(texts):
            found[place] = self.score(text)
        found /= np.float32(self.temperature)
        found -= found.max(1, keepdims=True)
        np.exp(found, out=found)
        found /= found.sum(1, keepdims=True)
        return found

    def _write(self, path: Path, parameters: Arrays, **more: str) -> None:
        said = {
            "classes": json.dumps(self.classes, ensure_ascii=False),
            "temperature": repr(self.temperature),
            "below": repr(self.below),
            **more,
        }
        path.write_bytes(arrays.to_bytes(arrays.Tensors(parameters, said)))


def steadied(features: Floats) -> Floats:
    """Return features with mean 0 and variance 1; they are changed in their place."""
    features -= features.sum() / len(features)
    features /= np.sqrt(features @ features / len(features) + STEADY)
    return features


def packed(name: str, rows: Floats) -> dict[str, npt.NDArray[Any]]:
    """Return a matrix as a file holds it: a signed byte for each number, a scale for each row."""
    scale = np.abs(rows).max(1) / np.float32(127)
    scale[scale == 0] = 1
    steps = np.rint(rows / scale[:, None]).astype(np.int8)
    return {name: steps, f"{name}.scale": scale.astype(np.float32)}


def unpacked(name: str, found: Arrays) -> Floats:
    """Return a matrix that `packed` has made, float32."""
    scaled: Floats = found[name].astype(np.float32)
    scaled *= found[f"{name}.scale"][:, None]
    return scaled
