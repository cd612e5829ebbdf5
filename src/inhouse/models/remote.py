"""A language model behind somebody else's OpenAI-compatible API, or behind our GPU engine.

Asks again where that cannot answer twice: before the first piece, on refused connections, 429
and 5xx. The key is sent and never shown.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from inhouse.core.errors import BadInput, ProviderError, RequestRefused
from inhouse.core.nouns import Message
from inhouse.core.protocols import Finish, Piece, Sampling, Usage
from inhouse.models.counts import Counts
from inhouse.models.engine import Capabilities, Stats, check_capable, check_sampling
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
from inhouse.models.sse import MalformedStream, events

LINE_LIMIT = 2**20
ERROR_LIMIT = 4096
WHOLE_LIMIT = 16 * 2**20
BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
NOT_THIS = frozenset({400, 413, 422})
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
        self._address = URL(f"{provider.url.rstrip('/')}/chat/completions")
        self._session: aiohttp.ClientSession | None = None
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
        with self._counts.request(0) as count:
            async with aclosing(self._pieces(body)) as pieces:
                async for piece in pieces:
                    count()
                    yield piece

    async def _pieces(self, body: bytes) -> AsyncGenerator[Piece, None]:
        response = await self._open(body)
        finish: Finish | None = None
        usage: Usage | None = None
        try:
            async for event in self._events(response):
                if "error" in event:
                    raise self._error(f"broke off: {reason_of(event)}")
                usage = usage_of(event) or usage
                for choice in choices_of(event):
                    text, calls = text_of(choice), calls_of(choice)
                    if text or calls:
                        yield Piece(text, calls=calls)
                    finish = self._finish(choice.get("finish_reason")) or finish
        except MalformedStream as error:
            raise self._error(f"cannot be understood: {error}") from None
        except TimeoutError:
            raise self._error(f"was silent for {self._patience.idle:g} s") from None
        except (aiohttp.ClientError, HttpProcessingError) as error:
            raise self._error(f"broke off ({type(error).__name__})") from None
        finally:
            response.close()
        if finish is None:
            raise self._error("broke off before the end of the answer")
        yield Piece("", finish, usage)

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _open(self, body: bytes) -> aiohttp.ClientResponse:
        """Return a response that has begun well, asking again while that is safe.

        What is left out to please the provider is left out for good once that has pleased it.
        """
        for attempt in range(self._patience.retries + 1):
            wait, answered = None, await self._reach(body)
            if isinstance(answered, str):
                failure = answered
            elif answered.status == 200:
                return answered
            else:
                wait = _retry_after(answered)
                failure, field = await self._refusal(answered)
                changed = without(body, field) if answered.status in NOT_THIS else None
                if changed:
                    response = await self._open(changed)
                    self._refused.add(field)
                    return response
                if answered.status not in BUSY:
                    kind = RequestRefused if answered.status in NOT_THIS else ProviderError
                    raise self._error(failure, kind)
            if attempt < self._patience.retries:
                self._retries += 1
                await asyncio.sleep(self._pause(attempt, wait))
        raise self._error(f"{failure}, {self._patience.retries + 1} times over")

    async def _reach(self, body: bytes) -> aiohttp.ClientResponse | str:
        """Return a response, or how the API could not be reached."""
        try:
            return await self._post(body)
        except aiohttp.ConnectionTimeoutError:
            return f"did not accept a connection within {self._patience.connect:g} s"
        except TimeoutError:
            raise self._error(f"was silent for {self._patience.idle:g} s") from None
        except aiohttp.ClientConnectionError as error:
            return f"cannot be reached ({type(error).__name__})"

    async def _events(self, response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
        """Yield what comes; some providers send the answer whole, though it was to be streamed."""
        if response.content_type != "application/json":
            async for event in events(response.content):
                yield event
            return
        whole = bytearray()
        async for chunk in response.content.iter_any():
            whole += chunk
            if len(whole) > WHOLE_LIMIT:
                raise MalformedStream("it sent an answer that is too long")
        try:
            answer = event_of(orjson.loads(whole))
        except orjson.JSONDecodeError:
            answer = None
        if answer is None:
            raise MalformedStream("it sent an answer that is not a JSON object")
        yield answer

    async def _post(self, body: bytes) -> aiohttp.ClientResponse:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(
                sock_connect=self._patience.connect, sock_read=self._patience.idle
            )
            headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
            if self._provider.key:
                headers["Authorization"] = f"Bearer {self._provider.key}"
            self._session = aiohttp.ClientSession(
                timeout=timeout,
                read_bufsize=LINE_LIMIT,
                headers=headers,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        # A redirect could carry the key to another host.
        return await self._session.post(self._address, data=body, allow_redirects=False)

    async def _refusal(self, response: aiohttp.ClientResponse) -> tuple[str, str]:
        """Return what the provider refuses, and the field it names; let the response go."""
        try:
            text = await response.content.read(ERROR_LIMIT)
        except (aiohttp.ClientError, TimeoutError):
            text = b""
        response.close()
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError:
            found = None
        said = reason_of(found)
        return f"answered {response.status}" + (f": {said}" if said else ""), field_of(found)

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
        kind = RequestRefused if reason == "content_filter" else ProviderError
        raise self._error(f"ended the answer because of {str(reason)[:100]!r}", kind)

    def _error(self, what: str, kind: type[ProviderError] = ProviderError) -> ProviderError:
        self._failures += 1
        host = urlsplit(self._provider.url).netloc
        sentence = f"The model {self._provider.model!r} at {host} {what}."
        if self._provider.key:
            sentence = sentence.replace(self._provider.key, "***")
        return kind(sentence, "Try again, or check address, model name and key of the endpoint.")


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    try:
        return max(0.0, float(response.headers.get("Retry-After", "")))
    except ValueError:  # absent, or a date, which needs clocks that agree
        return None
