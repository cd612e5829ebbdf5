"""Asks a language model many things at once, and remembers each answer on disk.

So a run that was cut off pays for nothing twice. What is asked is the business of `writing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inhouse.core.protocols import LanguageModel, Usage
from inhouse.data.journal import Journal
from inhouse.data.writing import Request

JOURNAL = "asked.jsonl"


@dataclass(frozen=True, slots=True)
class Writer:
    """A language model, how many requests it gets at once, and what its tokens cost.

    A model that runs here gets one at a time, so that the same seed writes the same. `cost` tells
    an amount and its unit; None for a model that costs nothing.
    """

    model: LanguageModel
    at_once: int = 1
    cost: Callable[[Usage], tuple[float, str]] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered; `cut` says that it was not at its end."""

    text: str
    cut: bool
    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False


class Asked:
    """The answers to requests by their keys, those of an earlier run of the same work included."""

    def __init__(self, writer: Writer, work: Path) -> None:
        self._writer, self._journal = writer, Journal(work / JOURNAL)
        self._answers: dict[str, Answer] = {}
        self._seats = asyncio.Semaphore(writer.at_once)
        for line in self._journal.lines:
            key = line.pop("key")
            self._answers[key] = Answer(**line)

    async def all(self, requests: Sequence[Request]) -> list[Answer]:
        """Return the answers to requests in their order; what was asked before is not asked again.

        Raises:
            ProviderError: the model failed; what was answered until then is remembered.
        """
        tasks = [asyncio.create_task(self._one(request)) for request in requests]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def told(self) -> Mapping[str, Any]:
        """Return how much was asked and written, and what that cost."""
        answers = self._answers.values()
        usage = Usage(
            sum(answer.prompt_tokens for answer in answers),
            sum(answer.completion_tokens for answer in answers),
        )
        told: dict[str, Any] = {"requests": len(answers)}
        told |= {"tokens read": usage.prompt_tokens, "tokens written": usage.completion_tokens}
        if any(answer.estimated for answer in answers):
            told["estimated"] = True
        if self._writer.cost:
            amount, unit = self._writer.cost(usage)
            told["cost"] = f"{amount:.6g} {unit}"
        return told

    async def _one(self, request: Request) -> Answer:
        if request.key in self._answers:
            return self._answers[request.key]
        async with self._seats:
            answer = await self._ask(request)
        self._journal.add({"key": request.key, **asdict(answer)})
        self._answers[request.key] = answer
        return answer

    async def _ask(self, request: Request) -> Answer:
        text, finish, usage = "", None, Usage(0, 0)
        stream = self._writer.model.chat(request.messages, request.sampling)
        async with aclosing(stream) as pieces:  # type: ignore[type-var]  # all are generators
            async for piece in pieces:
                text += piece.text
                finish, usage = piece.finish or finish, piece.usage or usage
        return Answer(
            text, finish == "length", usage.prompt_tokens, usage.completion_tokens, usage.estimated
        )
