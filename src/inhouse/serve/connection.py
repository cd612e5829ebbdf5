"""Work that stops when the client goes away, and streams of server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from inhouse.serve.failures import REQUEST_ID, error_body

T = TypeVar("T")

CLIENT_GONE = 499
FLAT = ("code", "message", "param")


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """Do some work, and cancel it when the client goes away; then return None."""
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnect(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(StreamingResponse):
    """Server-sent events: one JSON object each, and ``[DONE]`` at the end.

    With `named`, each event is called by its ``type`` and the last one stands for the end.

    The first thing that `events` gives is the headers. What fails before the first event is an
    ordinary error with its status; what fails later is an event of its own, without ``[DONE]``.
    """

    def __init__(
        self, events: AsyncGenerator[Mapping[str, Any], None], *, named: bool = False
    ) -> None:
        super().__init__((), media_type="text/event-stream")
        self._events = events
        self._named = named

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until they end or the client goes away."""
        await while_connected(receive, self._send(scope, send))

    async def _send(self, scope: Scope, send: Send) -> None:
        async with aclosing(self._events) as events:
            self.init_headers({"cache-control": "no-store", **await anext(events)})
            first = await anext(events)
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            await send(self._event(first))
            try:
                async for event in events:
                    await send(self._event(event))
                end = b"" if self._named else b"data: [DONE]\n\n"
            except Exception as error:  # the status is out already: said in the stream, logged
                end = self._line(self._failure(error, scope[REQUEST_ID]))
            await send({"type": "http.response.body", "body": end, "more_body": False})

    def _event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "http.response.body", "body": self._line(event), "more_body": True}

    def _line(self, event: Mapping[str, Any]) -> bytes:
        name = b"event: " + event["type"].encode() + b"\n" if self._named else b""
        return name + b"data: " + orjson.dumps(event) + b"\n\n"

    def _failure(self, error: Exception, request_id: str) -> Mapping[str, Any]:
        body = error_body(error, request_id)
        if not self._named:
            return body
        # Responses have no level in between; clients look for either.
        return {"type": "error", **{k: body["error"][k] for k in FLAT}, **body}
