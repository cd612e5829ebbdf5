"""A language model as a classifier: how likely each label is behind a text, after some examples."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Protocol

import numpy as np
import numpy.typing as npt

from inhouse.models.likelihood import (
    NOTHING,
    PROMPT,
    Scores,
    ScoresEndings,
    likelihoods,
    mean,
    probabilities,
)

SHOWN = 8
LONGEST = 300


class Model(ScoresEndings, Protocol):
    """A model that says how likely labels are."""

    async def close(self) -> None:
        """Free what it holds."""
        ...


class LikelyLabels:
    """Classifies with a model that is shown up to 8 examples; a `core.protocols.Classifier`."""

    def __init__(self, model: Model, examples: Sequence[tuple[str, str]], seed: int = 0) -> None:
        self.classes = sorted({label for _, label in examples})
        self._model = model
        self._shown = "".join(f"{_prompt(t)} {label}\n\n" for t, label in _few(examples, seed))
        self._prior: Scores | None = None

    def classify(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return probabilities, float32 of shape [len(texts), len(classes)]."""
        return asyncio.run(self._classified(texts))

    def close(self) -> None:
        """Free what the model holds."""
        asyncio.run(self._model.close())

    async def _classified(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        if self._prior is None:
            self._prior = mean([await self._likelihoods(text) for text in NOTHING])
        rows = [probabilities(await self._likelihoods(text), self._prior) for text in texts]
        return np.array(rows, np.float32).reshape(-1, len(self.classes))

    async def _likelihoods(self, text: str) -> Scores:
        found, _ = await likelihoods(self._model, self._shown + _prompt(text), self.classes)
        return found


def _prompt(text: str) -> str:
    return PROMPT.format(text=" ".join(text.split())[:LONGEST])


def _few(examples: Sequence[tuple[str, str]], seed: int) -> list[tuple[str, str]]:
    """Return a few examples by chance, of each label in turn."""
    chance = Random(seed)
    mixed = chance.sample(list(examples), len(examples))
    by_label: dict[str, list[tuple[str, str]]] = {}
    for pair in mixed:
        by_label.setdefault(pair[1], []).append(pair)
    turns = [pairs[n] for n in range(SHOWN) for pairs in by_label.values() if n < len(pairs)]
    return turns[:SHOWN]
