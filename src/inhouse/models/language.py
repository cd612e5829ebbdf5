"""A language model of our own: chat in, text out, on any engine.

Owns what lies between text and tokens; computing is the engine's business.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import islice, takewhile

from inhouse.core.errors import BadInput, TooLong
from inhouse.core.nouns import Message
from inhouse.core.protocols import (
    NEW_TOKENS,
    Constraint,
    Finish,
    Piece,
    Sampling,
    TokenScore,
    Usage,
)
from inhouse.models.chat_format import ChatFormat
from inhouse.models.engine import (
    Branches,
    Capabilities,
    Engine,
    Request,
    Stats,
    check_capable,
    check_sampling,
)
from inhouse.models.json_grammar import grammar_of
from inhouse.models.text_stream import TextStream
from inhouse.models.token_scores import TokenScores
from inhouse.models.vocabulary import Vocabulary

WINDOW = 1024
"""So many tokens of a long text are read at once."""


class LocalModel:
    """A model that runs here; see `inhouse.core.protocols.LanguageModel`."""

    def __init__(self, name: str, form: ChatFormat, engine: Engine, stops: frozenset[int]) -> None:
        self._name = name
        self._format = form
        self._engine = engine
        self._stops = stops
        self._vocabulary = Vocabulary(form.tokenizer)

    @property
    def name(self) -> str:
        """What it is called in responses."""
        return self._name

    @property
    def context_tokens(self) -> int:
        """How many tokens prompt and answer may have together."""
        return self._engine.capacity

    @property
    def capabilities(self) -> Capabilities:
        """What a `Sampling` may ask for."""
        return self._engine.capabilities

    def stats(self) -> Stats:
        """Say what the engine does and has done."""
        return self._engine.stats()

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
            BadInput: a setting is out of range or more than the engine can do, or the template
                refuses the messages.
            TooLong: the prompt leaves no room for an answer.
        """
        allowed = self._allowed(sampling, messages)
        prompt = await asyncio.to_thread(self._format.encode, messages)
        async with aclosing(self._answer(prompt, allowed)) as pieces:
            async for piece in pieces:
                yield piece

    async def complete(
        self, prompt: str | Sequence[int], sampling: Sampling
    ) -> AsyncGenerator[Piece, None]:
        """Stream how a text goes on, without a chat template; else as `chat`.

        The text may be given as tokens. Special tokens in it are special. Among the tokens that
        are scored is the one that ends the answer.
        """
        allowed = self._allowed(sampling)
        tokens = await asyncio.to_thread(self._tokens, prompt)
        async with aclosing(self._answer(tokens, allowed, end=True)) as pieces:
            async for piece in pieces:
                yield piece

    async def score(self, text: str | Sequence[int], *, top: int = 0) -> tuple[TokenScore, ...]:
        """Return the tokens of a text with their log-probabilities and the `top` likeliest.

        Raises:
            BadInput: the text is empty, or the engine cannot do it.
            TooLong: it does not fit the context.
        """
        check_sampling(asked := Sampling(logprobs=top))
        check_capable(asked, self.capabilities)
        tokens = await asyncio.to_thread(self._tokens, text)
        if len(tokens) > self.context_tokens:
            raise TooLong(len(tokens), self.context_tokens)
        scores = TokenScores(self._vocabulary)
        async with aclosing(self._engine.score(tokens, top)) as steps:
            return tuple([scores.of(step) async for step in steps])

    async def read(self, text: str, *, window: int = WINDOW) -> tuple[float, int]:
        """Return the sum of the log-probabilities of a text's tokens, and how many were judged.

        The first is given. A text of more tokens than `window` is read in several, each from the
        last token of the one before on, so that every other token is judged once.

        Raises:
            BadInput: the text is empty, or the engine cannot do it.
        """
        check_capable(Sampling(logprobs=0), self.capabilities)
        tokens = await asyncio.to_thread(self._tokens, text)
        window, total = min(window, self.context_tokens), 0.0
        for start in range(0, len(tokens) - 1, window - 1):
            part = tokens[start : start + window]
            async with aclosing(self._engine.score(part, 0)) as steps:
                total += sum([step.logprob or 0.0 async for step in steps])
        return total, len(tokens) - 1

    async def score_endings(
        self, text: str, endings: Sequence[str]
    ) -> tuple[Sequence[Sequence[float]], int]:
        """Return the log-probabilities of the tokens of each ending behind a text.

        With it comes how many tokens were read: what the endings have before them is read once,
        where the engine can do so.

        Raises:
            BadInput: a text is empty, or the engine cannot do it.
            TooLong: one does not fit the context.
        """
        check_capable(Sampling(logprobs=0), self.capabilities)
        encode = self._format.tokenizer.encode_batch
        found = await asyncio.to_thread(encode, [text + ending for ending in endings])
        tokens = [self._tokens(each.ids) for each in found]
        longest = max(map(len, tokens))
        if longest > self.context_tokens:
            raise TooLong(longest, self.context_tokens)
        own = [next(i for i, (_, end) in enumerate(of.offsets) if end > len(text)) for of in found]
        shared = min(_shared(tokens), *own)
        scores, read = await self._scored_behind(tokens[0][:shared], [t[shared:] for t in tokens])
        return [of[begin - shared :] for of, begin in zip(scores, own, strict=True)], read

    async def _scored_behind(
        self, beginning: Sequence[int], endings: Sequence[Sequence[int]]
    ) -> tuple[Sequence[Sequence[float]], int]:
        """Return the log-probabilities of tokens behind others, and how many were read."""
        if beginning and isinstance(self._engine, Branches):
            async with aclosing(self._engine.score_endings(beginning, endings)) as steps:
                flat = iter([step.logprob or 0.0 async for step in steps])
            scores = [list(islice(flat, len(ending))) for ending in endings]
            return scores, len(beginning) + sum(map(len, endings))
        scores = []
        for ending in endings:
            async with aclosing(self._engine.score([*beginning, *ending], 0)) as steps:
                scores.append([s.logprob or 0.0 async for s in steps][len(beginning) :])
        return scores, len(endings) * len(beginning) + sum(map(len, endings))

    async def close(self) -> None:
        """Free the engine."""
        await self._engine.close()

    def _tokens(self, text: str | Sequence[int]) -> Sequence[int]:
        tokens = self._format.tokenizer.encode(text).ids if isinstance(text, str) else list(text)
        words = self._format.tokenizer.get_vocab_size()
        if not tokens or not all(0 <= token < words for token in tokens):
            raise BadInput(
                "The text has no tokens, or some that the model does not know.",
                f"Give a text, or numbers of tokens from 0 to {words - 1}.",
            )
        return tokens

    def _allowed(self, sampling: Sampling, messages: Sequence[Message] = ()) -> Sampling:
        """Check the settings, and put what engines take in place of a JSON schema."""
        check_sampling(sampling)
        check_capable(sampling, self.capabilities, messages)
        constraint = sampling.constraint
        if constraint is None or constraint.kind != "json_schema":
            return sampling
        try:
            schema = json.loads(constraint.text)
        except ValueError as error:
            raise BadInput(f"The schema is not JSON: {error}.", "Send a JSON object.") from None
        return replace(sampling, constraint=Constraint("grammar", grammar_of(schema)))

    async def _answer(
        self, prompt: Sequence[int], sampling: Sampling, *, end: bool = False
    ) -> AsyncGenerator[Piece, None]:
        room = self.context_tokens - len(prompt)
        if room < 1:
            raise TooLong(len(prompt), self.context_tokens - 1)
        allowed = replace(sampling, max_tokens=min(sampling.max_tokens or NEW_TOKENS, room))
        text = TextStream(self._format.tokenizer, sampling.stop)
        scores = TokenScores(self._vocabulary)
        finish: Finish = "length"
        written, ended = 0, False
        async with aclosing(self._engine.submit(Request(prompt, allowed, self._stops))) as steps:
            async for step in steps:
                written += 1
                ended = step.token in self._stops
                if sampling.logprobs is not None and (end or not ended):
                    scores.add(step)
                if ended:
                    finish = "stop"
                    break
                if piece := text.push(step.token):
                    yield Piece(piece, None, Usage(len(prompt), written), scores.take())
                if text.stopped:
                    finish = "stop"
                    break
        unmet = sampling.constraint is not None and not ended
        usage = Usage(len(prompt), written)
        yield Piece(text.finish(), finish, usage, scores.take(), unmet)


def _shared(texts: Sequence[Sequence[int]]) -> int:
    """Return with how many tokens all texts begin alike; each has at least one more."""
    alike = takewhile(lambda tokens: len(set(tokens)) == 1, zip(*texts, strict=False))
    return min(sum(1 for _ in alike), *(len(text) - 1 for text in texts))
