"""Reads a stream of server-sent events as JSON objects, the way OpenAI's dialect sends them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
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
    async for raw in lines:
        line = raw.strip()
        if not line or line.startswith((b":", b"event:", b"id:", b"retry:")):
            continue
        if not line.startswith(b"data:"):
            raise MalformedStream("it did not send server-sent events")
        data = line.removeprefix(b"data:").strip()
        if data == DONE:
            return
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise MalformedStream("it sent an event that is not JSON") from None
        if not isinstance(event, dict):
            raise MalformedStream("it sent an event that is not an object")
        yield event
