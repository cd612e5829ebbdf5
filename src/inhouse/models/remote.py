"""A language model behind somebody else's OpenAI-compatible API, or behind our GPU engine.

Asks again where that cannot answer twice: before the first piece, on refused connections, 429
and 5xx. The key is sent and never shown.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import orjson

from inhouse.core.errors import BadInput, ProviderError, RequestRefused
from inhouse.core.nouns import Message
from inhouse.core.protocols import Finish, Piece, Sampling, Usage
from inhouse.models.blame import NOT_THIS, Blame
from inhouse.models.counts import Counts
from inhouse.models.engine import Capabilities, Stats, check_capable, check_sampling
from inhouse.models.http_connection import Answer, Broken, Silent
from inhouse.models.remote_shapes import (
    body_of,
    calls_of,
    choices_of,
    event_of,
    field_of,
    reason_of,
    text_of,
    usage_of,
    without,
)
from inhouse.models.sse import Events, MalformedStream
from inhouse.models.upstream import Upstream

LINE_LIMIT = 2**20
ERROR_LIMIT = 4096
WHOLE_LIMIT = 16 * 2**20
BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
PASSED_ON = Capabilities(frozenset({"json_schema"}), penalties=True, logit_bias=True, tools=True)
FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "eos": "stop",
    "tool_calls": "tool_calls",
}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds, and how often to ask again."""

    connect: float = 10.0
    idle: float = 120.0
    retries: int = 3
    pause: float = 0.5
    longest_pause: float = 20.0


PATIENT = Patience()
BRIEF = Patience(connect=3.0, idle=60.0, retries=1, pause=0.2, longest_pause=1.0)
"""Where another model can be asked instead."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Where an API is, what the model is called there, and the key for it."""

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    context_tokens: int | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise BadInput(
                f"{self.url!r} is not the address of an API.",
                "Write it like https://api.example.com/v1, and the key separately.",
            )


class RemoteModel:
    """A model that runs elsewhere; see `inhouse.core.protocols.LanguageModel`."""

    def __init__(self, name: str, provider: Provider, patience: Patience | None = None) -> None:
        self._name = name
        self._provider = provider
        self._patience = patience or PATIENT
        self._refused: set[str] = set()
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if provider.key:
            headers["Authorization"] = f"Bearer {provider.key}"
        self._upstream = Upstream(
            f"{provider.url.rstrip('/')}/chat/completions",
            headers,
            connect=self._patience.connect,
            idle=self._patience.idle,
        )
        self._blame = Blame(provider.model, urlsplit(provider.url).netloc, provider.key)
        self._counts = Counts()
        self._retries = self._failures = 0

    @property
    def name(self) -> str:
        """What it is called in responses."""
        return self._name

    @property
    def context_tokens(self) -> int | None:
        """What the caller said, or None: the provider decides."""
        return self._provider.context_tokens

    @property
    def capabilities(self) -> Capabilities:
        """What is passed on to the provider, which may still refuse it."""
        return PASSED_ON

    def stats(self) -> Stats:
        """Say what is asked of the API now, how often it was asked again, and how often it failed.

        Each piece counts as a token written; the API tells too late what it reads.
        """
        stats = self._counts.stats()
        return replace(stats, retries=self._retries, failures=self._failures)

    async def chat(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncGenerator[Piece, None]:
        """Stream the answer; closing the iterator ends the connection.

        Raises:
            BadInput: a setting is out of range.
            ProviderError: the API failed, refused, timed out or broke off; as a `RequestRefused`
                if that was for what was asked.
        """
        check_sampling(sampling)
        check_capable(sampling, self.capabilities)
        body = body_of(self._provider.model, messages, sampling)
        for name in self._refused:
            body = without(body, name) or body
        finish: Finish | None = None
        usage: Usage | None = None
        with self._counts.request(0) as count:
            async with aclosing(self._events(body)) as events:
                async for event in events:
                    usage = usage_of(event) or usage
                    for choice in choices_of(event):
                        text, calls = text_of(choice), calls_of(choice)
                        if text or calls:
                            count()
                            yield Piece(text, calls=calls)
                        finish = self._finish(choice.get("finish_reason")) or finish
            if finish is None:
                raise self._error("broke off before the end of the answer")
            yield Piece("", finish, usage)

    async def _events(self, body: bytes) -> AsyncGenerator[dict[str, Any], None]:
        """Yield what comes; some providers send the answer whole, though it was to be streamed."""
        answer, stream = await self._open(body), Events(LINE_LIMIT)
        try:
            if answer.headers.get(b"content-type", b"").startswith(b"application/json"):
                yield self._sound(await _whole(answer))
                return
            while not stream.ended and (chunk := await answer.read()):
                for event in stream.push(chunk):
                    yield self._sound(event)
        except MalformedStream as error:
            raise self._error(f"cannot be understood: {error}") from None
        except Silent:
            raise self._error(f"was silent for {self._patience.idle:g} s") from None
        except Broken as error:
            raise self._error(f"broke off ({error})") from None
        finally:
            answer.close(said=stream.ended)

    async def close(self) -> None:
        """Close its connections."""
        self._upstream.close()
        await asyncio.sleep(0)

    async def _open(self, body: bytes) -> Answer:
        """Return an answer that has begun well, asking again while that is safe.

        What is left out to please the provider is left out for good once that has pleased it.
        """
        for attempt in range(self._patience.retries + 1):
            wait, said, answered = None, "", await self._reach(body)
            if isinstance(answered, str):
                failure = answered
            elif answered.status == 200:
                return answered
            else:
                wait = _retry_after(answered)
                found = await _refusal(answered)
                failure, said = self._blame.answered(answered.status, found), reason_of(found)
                field = field_of(found)
                changed = without(body, field) if answered.status in NOT_THIS else None
                if changed:
                    answered = await self._open(changed)
                    self._refused.add(field)
                    return answered
                if answered.status not in BUSY:
                    kind = RequestRefused if answered.status in NOT_THIS else ProviderError
                    raise self._error(failure, said, kind)
            if attempt < self._patience.retries:
                self._retries += 1
                await asyncio.sleep(self._pause(attempt, wait))
        raise self._error(f"{failure}, {self._patience.retries + 1} times over", said)

    async def _reach(self, body: bytes) -> Answer | str:
        """Return an answer that has begun, or how the API could not be reached."""
        try:
            return await self._upstream.post(body)
        except TimeoutError:
            return f"did not accept a connection within {self._patience.connect:g} s"
        except Silent:
            raise self._error(f"was silent for {self._patience.idle:g} s") from None
        except Broken as error:
            return f"cannot be reached ({error})"

    def _sound(self, event: dict[str, Any]) -> dict[str, Any]:
        if "error" in event:
            raise self._error("broke off with an error of its own", reason_of(event))
        return event

    def _pause(self, attempt: int, asked: float | None) -> float:
        """Return how long to wait: what the provider asks for, or twice as long each time.

        Jitter keeps many callers from coming back at once.
        """
        if asked is not None:
            return min(asked, self._patience.longest_pause)
        longest = min(self._patience.pause * 2**attempt, self._patience.longest_pause)
        return random.uniform(longest / 2, longest)

    def _finish(self, reason: object) -> Finish | None:
        if reason is None or reason in FINISHES:
            return FINISHES.get(str(reason))
        if reason == "content_filter":
            raise self._error("ended the answer because of its content_filter", "", RequestRefused)
        raise self._error("ended the answer for a reason of its own", str(reason)[:100])

    def _error(
        self, how: str, said: str = "", kind: type[ProviderError] = ProviderError
    ) -> ProviderError:
        self._failures += 1
        return self._blame.error(how, said, kind)


async def _refusal(answer: Answer) -> object:
    """Return what an answer says that is none, if it can be read; let it go."""
    text = b""
    with suppress(Broken, Silent):
        while len(text) < ERROR_LIMIT and (chunk := await answer.read()):
            text += chunk
    answer.close()
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _retry_after(answer: Answer) -> float | None:
    try:
        return max(0.0, float(answer.headers.get(b"retry-after", b"")))
    except ValueError:  # absent, or a date, which needs clocks that agree
        return None


async def _whole(answer: Answer) -> dict[str, Any]:
    """Return an answer that comes whole, as if it had been streamed.

    Raises:
        MalformedStream: it is none, or too long.
    """
    whole = bytearray()
    while chunk := await answer.read():
        whole += chunk
        if len(whole) > WHOLE_LIMIT:
            raise MalformedStream("it sent an answer that is too long")
    try:
        found = event_of(orjson.loads(whole))
    except orjson.JSONDecodeError:
        found = None
    if found is None:
        raise MalformedStream("it sent an answer that is not a JSON object")
    return found
