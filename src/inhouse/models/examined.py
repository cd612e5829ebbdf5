"""A model that runs here as suites ask it: many texts at a time, and an answer to all of them.

What is made of the answers is not its business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Protocol, TypeVar

from inhouse.core.nouns import Message
from inhouse.core.protocols import LanguageModel, Likelihood, Sampling
from inhouse.models.likelihood import ScoresEndings

Asked = TypeVar("Asked")
Told = TypeVar("Told")


class Judges(LanguageModel, ScoresEndings, Protocol):
    """A language model that also says how likely texts are."""

    async def read(self, text: str) -> tuple[float, int]:
        """Return the sum of the log-probabilities of a text's tokens, and how many there are."""
        ...


class LocalExamined:
    """A model that runs here; see `inhouse.core.protocols.Examined`.

    It blocks, and must not be used where an event loop runs. Whoever made the model closes it
    through this, since an engine belongs to one event loop.
    """

    def __init__(self, model: Judges, *, at_once: int = 1) -> None:
        """Ask a model about so many texts at once."""
        self._model, self._at_once = model, at_once
        self._runner = asyncio.Runner()

    def read(self, texts: Sequence[str]) -> Sequence[Likelihood]:
        """Return how likely texts are; the first token of each is given, and not judged."""

        async def one(text: str) -> Likelihood:
            return Likelihood(*await self._model.read(text))

        return self._all(texts, one)

    def endings(self, asked: Sequence[tuple[str, Sequence[str]]]) -> Sequence[Sequence[Likelihood]]:
        """Return of each text how likely each of its endings is behind it."""

        async def one(each: tuple[str, Sequence[str]]) -> Sequence[Likelihood]:
            found, _ = await self._model.score_endings(*each)
            return [Likelihood(sum(own), len(own)) for own in found]

        return self._all(asked, one)

    def answers(self, conversations: Sequence[Sequence[Message]], *, tokens: int) -> Sequence[str]:
        """Return what it says next in each, greedily, in so many tokens at most."""
        sampling = Sampling(max_tokens=tokens, repetition_penalty=1.0)

        async def one(messages: Sequence[Message]) -> str:
            async with aclosing(self._model.chat(messages, sampling)) as pieces:  # type: ignore[type-var]
                return "".join([piece.text async for piece in pieces])

        return self._all(conversations, one)

    def close(self) -> None:
        """Close the model."""
        self._runner.run(self._model.close())
        self._runner.close()

    def _all(
        self, asked: Sequence[Asked], ask: Callable[[Asked], Awaitable[Told]]
    ) -> Sequence[Told]:
        turn = asyncio.Semaphore(self._at_once)

        async def in_turn(each: Asked) -> Told:
            async with turn:
                return await ask(each)

        async def every() -> Sequence[Told]:
            return await asyncio.gather(*map(in_turn, asked))

        return self._runner.run(every())
