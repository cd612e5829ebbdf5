"""Clients that are slow to send or to take something, send endless headers, or are too many.

Each connection only notes since when somebody has been waited for; once a second all are looked
over. So a request costs nothing more. Everything else of HTTP is uvicorn's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, cast

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from inhouse.serve.connection import CLIENT

log = logging.getLogger(__name__)

SLOW_SECONDS = 30.0
MAX_HEAD = 64 * 2**10
SLICE = 16 * 2**10
"""Bytes read at once: what begins within a slice is not counted until the next one."""


class Patient(HttpToolsProtocol):
    """A connection that knows since when its client has kept us waiting."""

    sending: float | None = None
    stuck: float | None = None
    gone: Callable[[], None] | None = None
    crowded: bool = False
    unread: int = 0  # bytes since the last that ended a head or belonged to a body

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - as uvicorn has it
        """Wait for a request."""
        self.sending = self.loop.time()
        super().connection_made(transport)
        most, self.limit_concurrency = self.limit_concurrency, None  # or uvicorn would do less
        self.crowded = most is not None and len(self.connections) > most

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is under way."""
        super().connection_lost(exc)
        if self.gone is not None:
            self.gone()

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it is the headers or trailers of a request without an end."""
        if self.crowded:
            self._send_away()
            return
        while data and not self.transport.is_closing():
            if self.unread == MAX_HEAD:
                log.info("A client sent more than %d bytes of headers.", MAX_HEAD)
                what = f"The headers have more than {MAX_HEAD} bytes."
                self._refuse(431, "headers_too_large", what)
                return
            part = data[: min(SLICE, MAX_HEAD - self.unread)]
            data = data[len(part) :]
            self.unread += len(part)
            super().data_received(part)

    def on_headers_complete(self) -> None:
        """Count anew: the headers are here."""
        self.unread = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count anew; how much of a body is taken is the app's business."""
        self.unread = 0
        super().on_body(body)

    def on_message_begin(self) -> None:
        """Wait for the rest of a request."""
        self.sending = self.loop.time()
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[CLIENT] = self

    def on_message_complete(self) -> None:
        """Wait no more: the request is here."""
        self.sending = None
        self.unread = 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Wait for the client to take what is ready."""
        self.stuck = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Wait no more: it was taken."""
        self.stuck = None
        super().resume_writing()

    def look(self, now: float, seconds: float) -> None:
        """Break the connection off if its client has been waited for too long."""
        if self.stuck is not None and now - self.stuck > seconds:
            log.info("A client took nothing for %g s: its connection was broken off.", seconds)
            self.transport.abort()
        elif self.sending is not None:
            if now - self.sending > seconds:
                self._too_slow(seconds)
        elif self._idle() and self.timeout_keep_alive_task is None:
            self.sending = now  # bytes have come that begin no request

    def _send_away(self) -> None:
        log.warning("Too many connections are open: one was sent away.")
        what = "Too many connections are open here. Come again in a moment."
        self.transport.write(_answer(503, "too_many_connections", what, b"retry-after: 1\r\n"))
        self.transport.close()

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _too_slow(self, seconds: float) -> None:
        log.info("A client did not send its request within %g s.", seconds)
        self._refuse(
            408,
            "too_slow",
            f"The request did not arrive whole within {seconds:g} seconds. Send it again.",
        )

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Say why, if nothing else is being said, and hang up."""
        if self.scope is not None and (self._idle() or not self.cycle.response_started):
            self.transport.write(_answer(status, code, message))
        if not self._idle():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


def look_over(connections: Iterable[object], now: float, seconds: float) -> None:
    """Break off the connections whose clients have been waited for longer than some seconds."""
    for connection in list(connections):
        if isinstance(connection, Patient):
            connection.look(now, seconds)


def _answer(status: int, code: str, message: str, more: bytes = b"") -> bytes:
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": None}
    body = orjson.dumps({"error": {**error, "code": code}})
    head = [
        STATUS_LINE[status],
        b"content-type: application/json\r\n",
        f"content-length: {len(body)}\r\n".encode(),
        more,
        b"connection: close\r\n\r\n",
    ]
    return b"".join([*head, body])
