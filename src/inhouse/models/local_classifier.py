"""Puts texts into the classes that a built classifier was trained on; without torch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import numpy as np
import numpy.typing as npt

from inhouse.core.errors import Incapable
from inhouse.core.nouns import Message
from inhouse.core.protocols import Piece, Sampling
from inhouse.models.classifier import softmax
from inhouse.models.embedder import LocalEmbedder
from inhouse.models.heads import Head
from inhouse.models.small import Small


class _Silent:
    """Stands where an endpoint has its model, and so is one by its shape, but writes nothing."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """What it is called in responses."""
        return self._name

    @property
    def context_tokens(self) -> int | None:
        """Of longer texts it reads the beginning."""
        return None

    def chat(self, messages: Sequence[Message], sampling: Sampling) -> AsyncIterator[Piece]:
        """Refuse: it writes nothing.

        Raises:
            Incapable: always.
        """
        raise Incapable(
            "model", f"{self._name} tells classes and writes nothing.", "Ask it at /v1/classify."
        )

    async def close(self) -> None:
        """Nothing is held beyond memory."""


class LocalClassifier(_Silent):
    """An encoder with a head that runs here; see `inhouse.core.protocols.OwnClasses`.

    On one machine the same text has the same probabilities to the last bit, whatever comes with it.
    """

    def __init__(self, name: str, embedder: LocalEmbedder, head: Head) -> None:
        super().__init__(name)
        self._embedder, self._head = embedder, head

    @property
    def classes(self) -> Sequence[str]:
        """The classes, in the order of the scores."""
        return self._head.linear.classes

    @property
    def below(self) -> float:
        """With less confidence it had better say nothing."""
        return self._head.below

    def classify(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return probabilities, float32 of shape [len(texts), len(classes)]."""
        # One by one: in a product of many rows, the order of adding depends on how many they are.
        vectors = self._embedder.embed(texts)
        scores = [self._head.linear.scores(vector[None]) for vector in vectors]
        return softmax(np.concatenate(scores))

    def tokens(self, texts: Sequence[str]) -> int:
        """Return how many tokens `classify` reads for these texts."""
        return self._embedder.tokens(texts)


class SmallClassifier(_Silent):
    """One that needs numpy alone; see `inhouse.core.protocols.OwnClasses`."""

    def __init__(self, name: str, small: Small) -> None:
        super().__init__(name)
        self.classes, self.below = small.classes, small.below
        self.classify, self.tokens = small.classify, small.tokens
