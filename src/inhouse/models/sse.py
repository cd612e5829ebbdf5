"""Reads a stream of server-sent events as JSON objects, the way OpenAI's dialect sends them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from typing import Any

import orjson

DONE = b"[DONE]"


class MalformedStream(Exception):
    """The stream is not what was promised; the text says how."""


async def events(lines: AsyncIterable[bytes]) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the object of each ``data:`` line, until ``[DONE]`` or the end.

    Raises:
        MalformedStream: a line is neither an event nor a comment, or its data is no JSON object.
    """
    async for line in lines:
        data = data_of(line)
        if data == DONE:
            return
        if data:
            yield event_in(data)


class Events:
    """The same from bytes that come cut anywhere; `ended` says that all has been said."""

    def __init__(self, longest: int) -> None:
        """Take lines of up to so many bytes."""
        self.ended = False
        self._longest = longest
        self._rest = b""

    def push(self, chunk: bytes) -> Iterator[dict[str, Any]]:
        """Yield the objects of the lines that are whole now, as `events` does.

        Raises:
            MalformedStream: as there, or a line is too long.
        """
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            data = data_of(line)
            if data == DONE:
                self.ended = True
                return
            if data:
                yield event_in(data)
        if len(self._rest) > self._longest:
            raise MalformedStream("it sent an event that is too long")


def data_of(line: bytes) -> bytes:
    """Return what a line carries, if it carries anything.

    Raises:
        MalformedStream: it is neither an event nor a comment.
    """
    line = line.strip()
    if line.startswith(b"data:"):
        return line[5:].strip()
    if line and not line.startswith((b":", b"event:", b"id:", b"retry:")):
        raise MalformedStream("it did not send server-sent events")
    return b""


def event_in(data: bytes) -> dict[str, Any]:
    """Return the object that some data are.

    Raises:
        MalformedStream: they are no JSON object.
    """
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise MalformedStream("it sent an event that is not JSON") from None
    if not isinstance(event, dict):
        raise MalformedStream("it sent an event that is not an object")
    return event
