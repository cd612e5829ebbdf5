"""Clients that are slow to send their request, or to take what is ready for them.

Each connection only notes since when somebody has been waited for; once a second all are looked
over. So a request costs nothing more. Everything else of HTTP is uvicorn's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

log = logging.getLogger(__name__)

SLOW_SECONDS = 30.0


class Patient(HttpToolsProtocol):
    """A connection that knows since when its client has kept us waiting."""

    sending: float | None = None
    stuck: float | None = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - as uvicorn has it
        """Wait for a request."""
        self.sending = self.loop.time()
        super().connection_made(transport)

    def on_message_begin(self) -> None:
        """Wait for the rest of a request."""
        self.sending = self.loop.time()
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Wait no more: the request is here."""
        self.sending = None
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

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _too_slow(self, seconds: float) -> None:
        log.info("A client did not send its request within %g s.", seconds)
        if self.scope is not None and (self._idle() or not self.cycle.response_started):
            self.transport.write(_answer(seconds))
        if not self._idle():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


def look_over(connections: Iterable[object], now: float, seconds: float) -> None:
    """Break off the connections whose clients have been waited for longer than some seconds."""
    for connection in list(connections):
        if isinstance(connection, Patient):
            connection.look(now, seconds)


def _answer(seconds: float) -> bytes:
    message = f"The request did not arrive whole within {seconds:g} seconds. Send it again."
    error = {"message": message, "type": "invalid_request_error", "param": None}
    body = orjson.dumps({"error": {**error, "code": "too_slow"}})
    head = [
        STATUS_LINE[408],
        b"content-type: application/json\r\n",
        f"content-length: {len(body)}\r\n".encode(),
        b"connection: close\r\n\r\n",
    ]
    return b"".join([*head, body])
