"""A language model of our own: chat in, text out, on any engine.

Owns what lies between text and tokens; computing is the engine's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from inhouse.core.errors import TooLong
from inhouse.core.nouns import Message
from inhouse.core.protocols import Finish, Piece, Sampling, Usage
from inhouse.models.chat_format import ChatFormat
from inhouse.models.engine import Engine, Request, check_sampling
from inhouse.models.text_stream import TextStream


class LocalModel:
    """A model that runs here; see `inhouse.core.protocols.LanguageModel`."""

    def __init__(self, name: str, form: ChatFormat, engine: Engine, stops: frozenset[int]) -> None:
        self._name = name
        self._format = form
        self._engine = engine
        self._stops = stops

    @property
    def name(self) -> str:
        """What it is called in responses."""
        return self._name

    @property
    def context_tokens(self) -> int:
        """How many tokens prompt and answer may have together."""
        return self._engine.capacity

    def count(self, messages: Sequence[Message]) -> int:
        """Return how many tokens the prompt of a conversation has.

        Raises:
            BadInput: the model's chat template refuses the messages.
        """
        return len(self._format.encode(messages))

    async def chat(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncGenerator[Piece, None]:
        """Stream the answer; closing the iterator aborts it.

        The answer is cut where the context ends, even if more tokens were asked for.

        Raises:
            BadInput: a setting is out of range, or the template refuses the messages.
            TooLong: the prompt leaves no room for an answer.
        """
        check_sampling(sampling)
        prompt = await asyncio.to_thread(self._format.encode, messages)
        room = self.context_tokens - len(prompt)
        if room < 1:
            raise TooLong(len(prompt), self.context_tokens - 1)
        allowed = replace(sampling, max_tokens=min(sampling.max_tokens, room))
        text = TextStream(self._format.tokenizer, sampling.stop)
        finish: Finish = "length"
        written = 0
        async with aclosing(self._engine.submit(Request(prompt, allowed, self._stops))) as tokens:
            async for token in tokens:
                written += 1
                if token in self._stops:
                    finish = "stop"
                    break
                if piece := text.push(token):
                    yield Piece(piece, usage=Usage(len(prompt), written))
                if text.stopped:
                    finish = "stop"
                    break
        yield Piece(text.finish(), finish, Usage(len(prompt), written))

    async def close(self) -> None:
        """Free the engine."""
        await self._engine.close()
