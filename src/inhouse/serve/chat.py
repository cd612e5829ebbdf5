"""``POST /v1/chat/completions``: what answers to a conversation look like, whole or streamed.

What is ours stands under the one key ``inhouse``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from inhouse.catalog.access import Access
from inhouse.core.protocols import CallPart, Candidate, Piece, Sampling, TokenScore, Usage
from inhouse.serve.answer import answer
from inhouse.serve.bodies import ChatBody
from inhouse.serve.choices import Choice, Event
from inhouse.serve.house import Served
from inhouse.serve.once import Once
from inhouse.serve.recording import Parts


class ChatDialect:
    """The dialect of one chat; see `inhouse.serve.choices.Dialect`."""

    def __init__(self, body: ChatBody, access: Access, *, request_id: str) -> None:
        self._body = body
        self._access = access
        self.model = body.model
        self._head = {
            "id": f"chatcmpl-{request_id}",
            "created": int(time.time()),
            "model": body.model,
        }
        self._begun: set[int] = set()
        self._once = Once()

    @property
    def answers(self) -> int:
        """How many answers are asked for."""
        return self._body.n

    each = answers

    def parts(self, served: Served) -> Sequence[Parts]:
        """Ask the endpoint as often as answers are wanted."""
        messages = [turn.message() for turn in self._body.messages]
        sampling = self._body.sampling()
        return [
            answer(served, messages, nth(sampling, number), access=self._access, once=self._once)
            for number in range(self._body.n)
        ]

    def whole(self, choices: Sequence[Choice], usage: Usage) -> Event:
        """Return a ``chat.completion``; with more answers than one, each has its ``inhouse``."""
        shown = [self._choice(choice) for choice in choices]
        if len(choices) > 1:
            shown = [{**s, "inhouse": c.ours} for s, c in zip(shown, choices, strict=True)]
        return {
            "object": "chat.completion",
            **self._head,
            "choices": shown,
            "usage": usage_of(usage),
            "inhouse": choices[0].ours,
        }

    def first(self) -> Iterable[Event]:
        """Return nothing: the role comes with the first piece."""
        return ()

    def more(self, choice: Choice, piece: Piece) -> Iterable[Event]:
        """Yield a chunk for a piece."""
        delta: dict[str, Any] = {"content": piece.text} if piece.text or not piece.calls else {}
        if piece.calls:
            delta["tool_calls"] = [_call_part(part) for part in piece.calls]
        yield self._chunk(choice.index, delta, piece.tokens)

    def last(self, choice: Choice) -> Iterable[Event]:
        """Yield the chunk that says how an answer ended, and where it comes from."""
        yield {**self._chunk(choice.index, {}, finish=choice.finish), "inhouse": choice.ours}

    def done(self, choices: Sequence[Choice], usage: Usage) -> Iterable[Event]:
        """Yield the usage, if it was asked for."""
        if self._body.stream_options.include_usage:
            head = {"object": "chat.completion.chunk", **self._head}
            yield {**head, "choices": [], "usage": usage_of(usage)}

    def _choice(self, choice: Choice) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": choice.text}
        if choice.calls:
            message["content"] = choice.text or None
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in choice.calls
            ]
        shown = {"index": choice.index, "message": message, "finish_reason": choice.finish}
        return shown | self._logprobs(choice.tokens)

    def _chunk(
        self,
        index: int,
        delta: Mapping[str, Any],
        tokens: Sequence[TokenScore] = (),
        finish: str | None = None,
    ) -> dict[str, Any]:
        role = {} if index in self._begun else {"role": "assistant"}
        self._begun.add(index)
        choice = {"index": index, "delta": {**role, **delta}, "finish_reason": finish}
        choice |= self._logprobs(tokens)
        return {"object": "chat.completion.chunk", **self._head, "choices": [choice]}

    def _logprobs(self, tokens: Sequence[TokenScore]) -> dict[str, Any]:
        if not self._body.logprobs:
            return {}
        content = [{**_token(t), "top_logprobs": [_token(c) for c in t.top]} for t in tokens]
        return {"logprobs": {"content": content, "refusal": None}}


def nth(sampling: Sampling, number: int) -> Sampling:
    """Return the settings of one of several answers: with a seed, each has its own."""
    if sampling.seed is None or not number:
        return sampling
    return replace(sampling, seed=(sampling.seed + number) % 2**63)


def usage_of(usage: Usage) -> dict[str, int]:
    """Return the tokens read and written, as OpenAI's older routes show them."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _token(token: Candidate) -> dict[str, Any]:
    text = token.raw.decode("utf-8", "replace")
    return {"token": text, "logprob": token.logprob, "bytes": list(token.raw)}


def _call_part(part: CallPart) -> dict[str, Any]:
    function = {"name": part.name} if part.name else {}
    begins = {"id": part.id, "type": "function"} if part.id else {}
    return {"index": part.index, **begins, "function": {**function, "arguments": part.arguments}}
