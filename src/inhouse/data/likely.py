"""A language model as a classifier: how likely each label is behind a text, after some examples.

Likelihoods are set against those behind a text that says nothing, since some labels are likely
behind anything (Zhao et al., arXiv 2102.09690).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Protocol

import numpy as np
import numpy.typing as npt

from inhouse.core.protocols import TokenScore

SHOWN = 8
LONGEST = 300
NOTHING = "N/A"
EACH = "Text: {text}\nLabel:"


class Scores(Protocol):
    """A model that says how likely a text is."""

    async def score(self, text: str, *, top: int = 0) -> tuple[TokenScore, ...]:
        """Return the tokens of a text with their log-probabilities."""
        ...

    async def close(self) -> None:
        """Free what it holds."""
        ...


class LikelyLabels:
    """Classifies with a model that is shown up to 8 examples; a `core.protocols.Classifier`."""

    def __init__(self, model: Scores, examples: Sequence[tuple[str, str]], seed: int = 0) -> None:
        self.classes = sorted({label for _, label in examples})
        self._model = model
        self._shown = "".join(f"{_prompt(t)} {label}\n\n" for t, label in _few(examples, seed))
        self._prior: npt.NDArray[np.float32] | None = None

    def classify(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return probabilities, float32 of shape [len(texts), len(classes)]."""
        return asyncio.run(self._classified(texts))

    def close(self) -> None:
        """Free what the model holds."""
        asyncio.run(self._model.close())

    async def _classified(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        if self._prior is None:
            self._prior = await self._likelihoods(NOTHING)
        rows = [await self._likelihoods(text) - self._prior for text in texts]
        parts: npt.NDArray[np.float32] = np.exp([row - row.max() for row in rows])
        parts /= parts.sum(1, keepdims=True)
        return parts

    async def _likelihoods(self, text: str) -> npt.NDArray[np.float32]:
        """Return the mean log-probability of each label's tokens: so a long one stands a chance."""
        prompt = self._shown + _prompt(text)
        found = []
        for label in self.classes:
            tokens = await self._model.score(f"{prompt} {label}")
            own = [token.logprob or 0.0 for token in tokens if token.start >= len(prompt)]
            found.append(sum(own) / max(len(own), 1))
        return np.array(found, np.float32)


def _prompt(text: str) -> str:
    return EACH.format(text=" ".join(text.split())[:LONGEST])


def _few(examples: Sequence[tuple[str, str]], seed: int) -> list[tuple[str, str]]:
    """Return a few examples by chance, of each label in turn."""
    chance = Random(seed)
    mixed = chance.sample(list(examples), len(examples))
    by_label: dict[str, list[tuple[str, str]]] = {}
    for pair in mixed:
        by_label.setdefault(pair[1], []).append(pair)
    turns = [pairs[n] for n in range(SHOWN) for pairs in by_label.values() if n < len(pairs)]
    return turns[:SHOWN]
