"""Several answers to one request, heard at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from inhouse.serve.recording import Part, Parts


def heard(streams: Sequence[Parts]) -> AsyncGenerator[Any, None]:
    """Return the one stream, between which and us nothing stands, or what `together` yields."""
    return together(streams) if len(streams) > 1 else streams[0]


async def together(streams: Sequence[Parts]) -> AsyncGenerator[tuple[int, Part], None]:
    """Yield what any of the streams has next, with its number; closing it closes them all."""
    waiting = {asyncio.create_task(_next(stream)): i for i, stream in enumerate(streams)}
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=waiting.__getitem__):
                index = waiting.pop(task)
                came = task.result()
                if came is not None:
                    waiting[asyncio.create_task(_next(streams[index]))] = index
                    yield index, came
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for stream in streams:
            await stream.aclose()


async def _next(stream: Parts) -> Part | None:
    return await anext(stream, None)
