"""``POST /v1/completions``: how texts go on, without a chat template, as evaluations ask for it.

Nothing is put before a prompt, so an endpoint with knowledge has no such answers.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, runtime_checkable

from inhouse.core.errors import BadInput, Incapable
from inhouse.core.protocols import Candidate, Piece, Sampling, TokenScore, Usage
from inhouse.serve.answer import Ending, plainly
from inhouse.serve.bodies import CompletionBody
from inhouse.serve.chat import nth, usage_of
from inhouse.serve.choices import Choice, Event
from inhouse.serve.house import Served
from inhouse.serve.once import Once
from inhouse.serve.prompt import LETTERS_PER_TOKEN
from inhouse.serve.recording import Part, Parts
from inhouse.serve.tally import Tally

Prompt = str | Sequence[int]


@runtime_checkable
class Continues(Protocol):
    """A model that can go on with a text as it stands, and say how likely the text is."""

    def complete(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Stream how a text goes on; the token that ends the answer is scored as well."""
        ...

    async def score(self, text: Prompt, *, top: int = 0) -> tuple[TokenScore, ...]:
        """Return the tokens of a text with their log-probabilities and the likeliest."""
        ...

    async def score_endings(
        self, text: str, endings: Sequence[str]
    ) -> tuple[Sequence[Sequence[float]], int]:
        """Return the log-probabilities of the tokens of endings, and how many were read."""
        ...


class TextDialect:
    """The dialect of raw prompts; see `inhouse.serve.choices.Dialect`."""

    def __init__(self, body: CompletionBody, *, request_id: str) -> None:
        self._body = body
        self.model = body.model
        self._once = Once()
        self._head = {
            "id": f"cmpl-{request_id}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": body.model,
        }

    @property
    def answers(self) -> int:
        """How many answers are asked for: to each prompt, as many as are wanted."""
        return len(self._body.prompt) * self._body.n

    @property
    def each(self) -> int:
        """How many answers are asked for to each prompt."""
        return self._body.n

    def parts(self, served: Served) -> Sequence[Parts]:
        """Let the model go on with each prompt, as often as answers are wanted.

        Raises:
            BadInput: the endpoint has knowledge.
            Incapable: its model is an API.
        """
        if served.retriever is not None:
            raise BadInput(
                f"{served.endpoint.ref.path} answers from documents, not from raw prompts.",
                "Ask it by /v1/chat/completions, or use an endpoint without knowledge.",
            )
        if not isinstance(served.model, Continues):
            raise Incapable(
                "model",
                f"{served.endpoint.ref.path} is an API, which is not asked with raw prompts.",
                "Ask it by /v1/chat/completions, or use a model that runs here.",
            )
        sampling = self._body.sampling()
        return [
            self._answer(served, served.model, place, nth(sampling, number))
            for place in range(len(self._body.prompt))
            for number in range(self._body.n)
        ]

    async def _answer(
        self, served: Served, model: Continues, place: int, sampling: Sampling
    ) -> Parts:
        said, tally, prompt = "", Tally(), self._body.prompt[place]
        if self._body.echo:
            score = partial(model.score, prompt, top=self._body.logprobs or 0)
            scored = await self._once((served.digest, place), score)
            raw = b"".join(token.raw for token in scored)
            said = prompt if isinstance(prompt, str) else raw.decode("utf-8", "replace")
            if not self._body.max_tokens:
                tally.add(Usage(len(scored), 0))
            yield Piece(said, tokens=scored)
        if not self._body.max_tokens:
            yield tally
            yield Ending("length", tally.usage, (), served.label)
            return
        read = partial(_about, prompt)
        stream = plainly(model.complete(prompt, sampling), served.label, read)
        async with aclosing(stream) as parts:
            async for part in parts:
                yield _behind(said, part)

    def whole(self, choices: Sequence[Choice], usage: Usage) -> Event:
        """Return a ``text_completion``."""
        shown = [self._choice(c.index, c.text, self._logprobs(c.tokens), c.finish) for c in choices]
        ours = choices[0].ours
        return {**self._head, "choices": shown, "usage": usage_of(usage), "inhouse": ours}

    def first(self) -> Iterable[Event]:
        """Return nothing: a chunk needs no beginning."""
        return ()

    def more(self, choice: Choice, piece: Piece) -> Iterable[Event]:
        """Yield a chunk for a piece."""
        shown = self._choice(choice.index, piece.text, self._logprobs(piece.tokens))
        yield {**self._head, "choices": [shown]}

    def last(self, choice: Choice) -> Iterable[Event]:
        """Yield the chunk that says how an answer ended, and where it comes from."""
        shown = self._choice(choice.index, "", None, choice.finish)
        yield {**self._head, "choices": [shown], "inhouse": choice.ours}

    def done(self, choices: Sequence[Choice], usage: Usage) -> Iterable[Event]:
        """Yield the usage, if it was asked for."""
        if self._body.stream_options.include_usage:
            yield {**self._head, "choices": [], "usage": usage_of(usage)}

    def _choice(
        self, index: int, text: str, logprobs: object, finish: str | None = None
    ) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}

    def _logprobs(self, tokens: Sequence[TokenScore]) -> dict[str, Any] | None:
        if self._body.logprobs is None:
            return None
        return {
            "tokens": [_name(token) for token in tokens],
            "token_logprobs": [token.logprob for token in tokens],
            "top_logprobs": [_likeliest(token) for token in tokens],
            "text_offset": [token.start for token in tokens],
        }


def _about(prompt: Prompt) -> int:
    return len(prompt) // LETTERS_PER_TOKEN if isinstance(prompt, str) else len(prompt)


def _behind(said: str, part: Part) -> Part:
    """Return a part of an answer whose tokens begin behind what was said before it."""
    if not said or not isinstance(part, Piece):
        return part
    moved = (replace(token, start=token.start + len(said)) for token in part.tokens)
    return replace(part, tokens=tuple(moved))


def _likeliest(token: TokenScore) -> dict[str, float | None] | None:
    """Return the likeliest tokens and the one that stands there; of the same name, the likelier."""
    if token.logprob is None:
        return None
    found: dict[str, float | None] = {}
    for candidate in (*token.top, token):
        found.setdefault(_name(candidate), candidate.logprob)
    return found


def _name(token: Candidate) -> str:
    """Return a token's text, or its bytes in OpenAI's notation where they are half a character."""
    try:
        return token.raw.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token.raw)
