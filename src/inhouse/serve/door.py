"""The way in: finds the door for a request, answers what fails, and tells the watchers of it.

An ASGI application of its own, since a request passes here whatever it wants. What is behind each
door stands in `inhouse.serve.app`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from inhouse.core.access import Actor
from inhouse.core.errors import InhouseError
from inhouse.serve.auth import identify
from inhouse.serve.connection import nobody_there
from inhouse.serve.failures import REQUEST_ID, on_error, unforeseen, unknown, wrong_method
from inhouse.serve.house import House
from inhouse.serve.limits import KeyLimits
from inhouse.serve.metrics import require_operator
from inhouse.serve.openapi import Line
from inhouse.serve.readiness import Readiness
from inhouse.serve.seen import Seen, Watcher, begin

NOBODY = Actor("")


class Door:
    """A line of the table of routes with its guard; its handler is reached only past it."""

    def __init__(self, house: House, line: Line, limits: KeyLimits) -> None:
        self.path, self.guard, self._handle = line.path, line.guard, line.handler
        self.names = line.names
        self.methods = {"GET", "HEAD"} if line.method == "GET" else {line.method}
        self._house, self._limits = house, limits

    async def open(self, request: Request) -> Response:
        """Answer a request.

        Raises:
            InhouseError: who asks is not let in, or what they ask for fails.
        """
        if self.guard == "public":
            return await self._handle(request, NOBODY)
        key, actor = identify(
            self._house.catalog, request.scope["headers"], self._house.admission.now()
        )
        if self.guard == "operate":
            await require_operator(self._house, actor)
        elif key.limited and self.guard == "use":
            within = self._limits.through
            return await within(key, request, lambda: self._handle(request, actor))
        return await self._handle(request, actor)


class App:
    """The doors of a house as an ASGI application, from the start of its server to the end."""

    def __init__(
        self,
        doors: Sequence[Door],
        *,
        watchers: Sequence[Watcher],
        readiness: Readiness,
        life: AbstractAsyncContextManager[None],
    ) -> None:
        self.doors = doors
        self.readiness = readiness
        self._watchers = watchers
        self._life = life
        self._by_path = {door.path: door for door in doors}
        self._by_start = [(door.path.partition("{")[0], door) for door in doors if door.names]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, whatever becomes of it, or live as long as the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        request_id = scope[REQUEST_ID] = _id()
        seen = begin(request_id, scope["method"])

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        request = Request(scope, receive)
        try:
            response = await self._through(request, seen)
            await response(scope, receive, watched)
        except Exception as error:
            failed = _answer(request, error)
            if not seen.status:
                await failed(scope, receive, watched)
        finally:
            seen.ended = time.perf_counter()
            for watcher in self._watchers:
                watcher(seen, scope)
            seen.answers = ()  # what was said is let go of, also where this context lives on

    async def _through(self, request: Request, seen: Seen) -> Response:
        door = self._by_path.get(request.scope["path"]) or self._named(request.scope)
        if door is None:
            return unknown(request)
        if request.method not in door.methods:
            return wrong_method(request, door.methods)
        seen.route = door.path
        return await door.open(request)

    def _named(self, scope: Scope) -> Door | None:
        """Return the door whose path ends with a name, which may have slashes in it."""
        for start, door in self._by_start:
            name = scope["path"].removeprefix(start)
            if name and name != scope["path"]:
                scope["path_params"] = {door.names[0]: name}
                return door
        return None

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self._life:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _id() -> str:
    """Return an id that begins with the time: what comes together is recorded together."""
    return f"{time.time_ns() // 1_000_000:012x}{random.getrandbits(80):020x}"


def _answer(request: Request, error: Exception) -> Response:
    if isinstance(error, InhouseError):
        return on_error(request, error)
    if isinstance(error, ClientDisconnect):
        return nobody_there()
    return unforeseen(request, error)
