"""A connection over HTTP/1.1 that carries one answer after the other, read as they come.

Which requests go out over which connection is the business of `inhouse.models.upstream`.
"""

from __future__ import annotations

import asyncio
from typing import cast

import httptools

KEPT_SECONDS = 15.0
MAX_HEAD = 64 * 2**10
MAX_UNREAD = 2**20


class Broken(Exception):
    """An answer broke off, or is no HTTP."""


class Unreachable(Broken):
    """There is no connection, or it went before anything was answered."""


class Silent(Exception):
    """For too long nothing has come."""


class Answer:
    """What comes in answer to one request; the names of its headers are in lower case."""

    def __init__(self, connection: Connection) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self._connection = connection
        self._unread = bytearray()
        self._ended = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """Return what has come of the body since the last time; nothing at its end.

        Raises:
            Broken: it broke off.
            Silent: nothing came.
        """
        while not self._unread:
            if self._ended and self._failure is None:
                return b""
            await self.wait()
        read, self._unread = bytes(self._unread), bytearray()
        self._connection.resume()
        return read

    def close(self, *, said: bool = False) -> None:
        """Let it go; unless all of it has come, or was `said` at least, its connection ends."""
        if not self._ended and not said:
            self._connection.drop()

    async def wait(self) -> None:
        """Wait until more has come."""
        if not self._ended:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._failure is not None:
            raise self._failure

    def add(self, body: bytes) -> bool:
        """Take more of the body; say whether too much of it is unread."""
        self._unread += body
        self.wake()
        return len(self._unread) > MAX_UNREAD

    def end(self, failure: Exception | None = None) -> None:
        """Take note that this is all, or why there is no more."""
        self._ended, self._failure = True, failure
        self.wake()

    def wake(self) -> None:
        """Tell whoever waits."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Pool:
    """The connections to an address: all that are open, and those that nobody uses."""

    def __init__(self) -> None:
        self.open: set[Connection] = set()
        self.free: list[Connection] = []

    def take(self) -> Connection | None:
        """Return one that was used a moment ago; the others have been idle for longer still."""
        if self.free and self.free[-1].fresh():
            return self.free.pop()
        while self.free:
            self.free.pop().drop()
        return None

    def forget(self, connection: Connection) -> None:
        """Take note that one is closed."""
        self.open.discard(connection)
        if connection in self.free:
            self.free.remove(connection)


class Connection(asyncio.Protocol):
    """One connection: it carries one answer after the other, and is free between them."""

    _transport: asyncio.Transport

    def __init__(self, pool: Pool, idle: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._pool, self._idle = pool, idle
        self._answer: Answer | None = None
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._head = 0  # bytes since the last that ended a head or belonged to a body
        self._framed = self._interim = self._paused = False

    async def ask(self, request: bytes) -> Answer:
        """Send a request; return its answer when that has begun."""
        self._answer = answer = Answer(self)
        self._heard = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._idle, self._look)
        self._transport.write(request)
        try:
            while not answer.status:
                await answer.wait()
        except BaseException:
            answer.close()
            raise
        return answer

    def fresh(self) -> bool:
        """Say whether it was used a moment ago, and is open."""
        recently = self._loop.time() - self._heard < KEPT_SECONDS
        return recently and not self._transport.is_closing()

    def drop(self) -> None:
        """Close it at once."""
        self._transport.abort()

    def resume(self) -> None:
        """Take more from the other side."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be open."""
        self._transport = cast("asyncio.Transport", transport)
        self._pool.open.add(self)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it is no HTTP or headers without an end."""
        self._heard = self._loop.time()
        self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._break(Broken("it is no HTTP"))
        if self._head > MAX_HEAD:
            self._break(Broken("its headers have no end"))

    def connection_lost(self, error: Exception | None) -> None:
        """End the answer: it is cut off, unless only the end says where it ends."""
        self._pool.forget(self)
        if self._timer is not None:
            self._timer.cancel()
        answer = self._answer
        if answer is None:
            return
        if not answer.status:
            answer.end(Unreachable("it was closed"))
        elif self._framed or error:
            answer.end(Broken("it was cut off"))
        else:
            answer.end()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header of the answer, or of one that only goes before it."""
        self._asked().headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Let the answer begin."""
        self._head = 0
        answer, status = self._asked(), self._parser.get_status_code()
        self._interim = status < 200
        if self._interim:
            answer.headers.clear()
            return
        self._framed = b"content-length" in answer.headers or b"transfer-encoding" in answer.headers
        answer.status = status
        answer.wake()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; pause if nobody reads."""
        self._head = 0
        if self._asked().add(body) and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """End the answer, and be free for the next request."""
        if self._interim:
            return
        answer, self._answer = self._asked(), None
        answer.end()
        if self._parser.should_keep_alive():
            self.resume()
            self._pool.free.append(self)
        else:
            self._transport.close()

    def _asked(self) -> Answer:
        if self._answer is None:
            raise Broken("nobody asked")
        return self._answer

    def _break(self, failure: Exception) -> None:
        if self._answer is not None:
            self._answer.end(failure)
            self._answer = None
        self._transport.abort()

    def _look(self) -> None:
        """See whether something has come in time; a free connection needs no timer."""
        self._timer = None
        if self._answer is None:
            return
        left = self._heard + self._idle - self._loop.time()
        if left <= 0:
            self._break(Silent())
        else:
            self._timer = self._loop.call_later(left, self._look)
