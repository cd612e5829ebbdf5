"""What a key with limits meets at the door: requests a minute, tokens a day, requests at once.

The counts, which all processes over a store share, are the catalog's; how much a key may ask stands
in the key. A key without limits never comes here.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from inhouse.catalog.key import Key
from inhouse.catalog.spending import MINUTE_SECONDS, Spending, Taken
from inhouse.core.errors import InhouseError, OutOfQuota, TooMany
from inhouse.serve.failures import on_error
from inhouse.serve.recording import Parts
from inhouse.serve.tally import Tally

PASS = "inhouse.pass"
SOON_SECONDS = 1.0

Spend = Callable[[int], None]


class KeyLimits:
    """Lets the requests of keys with limits in, one by one."""

    def __init__(self, spending: Spending) -> None:
        self._spending = spending

    async def through(
        self, key: Key, request: Request, handle: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Handle a request within its key's limits; it is under way until its answer is sent.

        What it has left is told with a failure too; also if that is why it failed.

        Raises:
            StoreError: the counts cannot be written.
        """
        passed = request.scope[PASS] = Pass(self._spending, key)
        try:
            try:
                passed.enter()
                answered = await handle()
            except InhouseError as error:
                answered = on_error(request, error)
            return Counted(answered, passed)
        except BaseException:
            passed.leave()
            raise

    def close(self) -> None:
        """Close the counts."""
        self._spending.close()


class Pass:
    """A request of a key with limits; it counts what it spends, and leaves once."""

    def __init__(self, spending: Spending, key: Key) -> None:
        self._spending = spending
        self._key = key
        self._place: int | None = None
        self._taken: Taken | None = None

    def enter(self) -> None:
        """Take a place among the key's requests, and count this one.

        Raises:
            TooMany: too many are under way at once, or came within a minute.
            OutOfQuota: the tokens of this day are spent.
        """
        most = self._key.limits.concurrent
        if most:
            self._place = self._spending.hold(self._key)
            if self._place is None:
                raise TooMany(
                    f"This key may have {most} requests under way at once.",
                    "Wait for one to end, or ask the operator for more.",
                    wait=SOON_SECONDS,
                )
        self.count(1)

    def count(self, requests: int) -> None:
        """Count requests: each of several answers to one is as much work as a request.

        Raises:
            TooMany: too many came within a minute.
            OutOfQuota: the tokens of this day are spent.
        """
        self._taken = self._spending.take(self._key, time.time(), requests=requests)
        _require(self._key, self._taken)

    def spend(self, tokens: int) -> None:
        """Count tokens that were read and written."""
        self._spending.spend(self._key, tokens, time.time())

    def leave(self) -> None:
        """Make room for another request of the key."""
        if self._place is not None:
            self._spending.let_go(self._key, self._place)
            self._place = None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return what the key has left, under the names that OpenAI's clients know."""
        found: dict[str, str] = {}
        limits, now = self._key.limits, time.time()
        taken = self._taken or self._spending.look(self._key, now)
        if limits.requests_per_minute:
            left = (MINUTE_SECONDS - taken.ahead) * limits.requests_per_minute
            found |= {
                "limit-requests": str(limits.requests_per_minute),
                "remaining-requests": str(max(0, round(left) // round(MINUTE_SECONDS))),
                "reset-requests": f"{taken.ahead:.3f}s",
            }
        if limits.tokens_per_day:
            found |= {
                "limit-tokens": str(limits.tokens_per_day),
                "remaining-tokens": str(max(0, limits.tokens_per_day - taken.tokens)),
                "reset-tokens": f"{86_400 - now % 86_400:.0f}s",
            }
        return [(f"x-ratelimit-{name}".encode(), text.encode()) for name, text in found.items()]


class Counted(Response):
    """An answer to a request that is under way until it is sent, or nobody waits for it."""

    def __init__(self, response: Response, passed: Pass) -> None:
        self._response = response
        self._passed = passed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, with what its key has left."""

        begun = False

        async def told(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"].extend(self._passed.headers())
            await send(message)

        try:
            await self._response(scope, receive, told)
        except InhouseError as error:
            if begun:
                raise
            await on_error(Request(scope), error)(scope, receive, told)
        finally:
            self._passed.leave()


async def counted(parts: Parts, spend: Spend) -> Parts:
    """Pass an answer on and count its tokens, also if it is cut off."""
    tally = Tally()
    try:
        async with aclosing(parts):
            async for part in parts:
                if isinstance(part, Tally):
                    tally = part
                yield part
    finally:
        tokens = tally.usage.prompt_tokens + tally.usage.completion_tokens
        if tokens:
            spend(tokens)


def count_more(scope: Scope, answers: int) -> None:
    """Count a request for several answers as so many, if its key has limits.

    Raises:
        TooMany: they are more than the key may ask for now.
    """
    passed: Pass | None = scope.get(PASS)
    if passed and answers > 1:
        passed.count(answers - 1)


def spend_of(scope: Scope) -> Spend | None:
    """Return what counts the tokens of a request, if its key has limits."""
    passed: Pass | None = scope.get(PASS)
    return passed.spend if passed else None


def _require(key: Key, taken: Taken) -> None:
    if taken.refused == "tokens":
        raise OutOfQuota(
            f"This key has spent {taken.tokens:,} tokens today; it may spend "
            f"{key.limits.tokens_per_day:,} a day.",
            "Ask again tomorrow (UTC), or ask the operator for more.",
            wait=taken.wait,
        )
    if taken.refused:
        raise TooMany(
            f"This key may ask {key.limits.requests_per_minute} times a minute.",
            f"Ask again in {taken.wait:.1f} seconds, or ask the operator for more.",
            wait=taken.wait,
        )
