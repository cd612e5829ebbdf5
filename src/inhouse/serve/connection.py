"""Work that stops when the client goes away, and streams of server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, Protocol, TypeVar

import orjson
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from inhouse.core.errors import OutOfTime
from inhouse.serve.failures import REQUEST_ID, error_body
from inhouse.serve.seen import current

T = TypeVar("T")

CLIENT = "inhouse.client"
CLIENT_GONE = 499
FLAT = ("code", "message", "param")


class Client(Protocol):
    """The connection that a request came over; `gone` is called when it ends meanwhile."""

    gone: Callable[[], None] | None


async def while_connected(
    scope: Scope, work: Coroutine[Any, Any, T], *, seconds: float | None = None
) -> T | None:
    """Do some work, and cancel it when the client goes away; then return None.

    Raises:
        OutOfTime: it took longer than so many seconds.
    """
    me = asyncio.current_task()
    assert me is not None
    client: Client = scope[CLIENT]
    why = ""

    def cut(reason: str) -> None:
        nonlocal why
        if not why:
            why = reason
            me.cancel()

    client.gone = partial(cut, "gone")
    late = me.get_loop().call_later(seconds, cut, "late") if seconds else None
    try:
        return await work
    except asyncio.CancelledError:
        if not why or me.uncancel():
            raise
        if why == "late":
            raise OutOfTime(seconds or 0) from None
        return None
    finally:
        client.gone = None
        if late is not None:
            late.cancel()


async def to_its_end(work: Callable[[], T]) -> T:
    """Do some work on a thread; whoever is cancelled meanwhile still waits for its end.

    So what the work needs is held for as long as it runs: nothing can stop a thread.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def nobody_there() -> Response:
    """Answer nobody: the client went away, and is only counted."""
    return Response(status_code=CLIENT_GONE)


class EventStream(StreamingResponse):
    """Server-sent events: one JSON object each, and ``[DONE]`` at the end.

    With `named`, each event is called by its ``type`` and the last one stands for the end.

    The first thing that `events` gives is the headers. What fails before the first event is an
    ordinary error with its status; what fails later is an event of its own, without ``[DONE]``. So
    does what takes longer than so many `seconds`.
    """

    def __init__(
        self,
        events: AsyncGenerator[Mapping[str, Any], None],
        *,
        named: bool = False,
        seconds: float | None = None,
    ) -> None:
        super().__init__((), media_type="text/event-stream")
        self._events = events
        self._named = named
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until they end or the client goes away."""
        await while_connected(scope, self._send(scope, send))

    async def _send(self, scope: Scope, send: Send) -> None:
        begun = False
        async with aclosing(self._events) as events:
            try:
                async with asyncio.timeout(self._seconds) as limit:
                    self.init_headers({"cache-control": "no-store", **await anext(events)})
                    first = await anext(events)
                    begun = True
                    await send(self._start())
                    await send(self._event(first))
                    async for event in events:
                        await send(self._event(event))
                end = b"" if self._named else b"data: [DONE]\n\n"
            except Exception as error:
                failure = OutOfTime(self._seconds or 0) if limit.expired() else error
                if not begun:
                    raise failure from None
                # The status is out already: said in the stream, and to the watchers.
                end = self._line(self._failure(failure, scope[REQUEST_ID]))
            await send({"type": "http.response.body", "body": end, "more_body": False})

    def _start(self) -> Message:
        return {"type": "http.response.start", "status": 200, "headers": self.raw_headers}

    def _event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "http.response.body", "body": self._line(event), "more_body": True}

    def _line(self, event: Mapping[str, Any]) -> bytes:
        name = b"event: " + event["type"].encode() + b"\n" if self._named else b""
        return name + b"data: " + orjson.dumps(event) + b"\n\n"

    def _failure(self, error: Exception, request_id: str) -> Mapping[str, Any]:
        body = error_body(error, request_id)
        current().failure = body["error"]["code"]
        if not self._named:
            return body
        # Responses have no level in between; clients look for either.
        return {"type": "error", **{k: body["error"][k] for k in FLAT}, **body}
