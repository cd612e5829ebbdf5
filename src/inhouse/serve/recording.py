"""The record of a request: opened before the first byte of its answer, completed before the last.

Where records go is the business of a `Sink`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from inhouse.core.artifact import Ref
from inhouse.core.nouns import Trace
from inhouse.core.protocols import Sink
from inhouse.serve.answer import Ending
from inhouse.serve.house import Served

Parts = AsyncGenerator[str | Ending, None]


def asked(served: Served, request_id: str, route: str, request: Mapping[str, Any]) -> Trace:
    """Return the record of a request that has come to an endpoint and has no answer yet."""
    return Trace(
        id=request_id,
        at=time.time(),
        actor=served.actor.name,
        route=route,
        state="open",
        label=served.label,
        endpoint=served.endpoint.ref,
        model=served.model_name,
        digest=served.digest,
        request=request,
    )


async def recorded(parts: Parts, sink: Sink, trace: Trace, *, streamed: bool) -> Parts:
    """Pass an answer on, with its record safe before the end is.

    If it is `streamed`, a record stands before its first piece: so an answer that was cut off is on
    record too. Closing the stream records that it was.

    Raises:
        StoreError: nothing can be recorded, so nothing is answered.
    """
    text: list[str] = []
    first: float | None = None
    state = replace(trace, state="aborted")
    try:
        async with aclosing(parts):
            async for part in parts:
                if isinstance(part, str):
                    if first is None:
                        first = time.time() - trace.at
                        if streamed:
                            await sink.record(trace)
                    text.append(part)
                    yield part
                    continue
                state = _ended(trace, part)
                state = replace(state, answer="".join(text), **_times(trace, first))
                await asyncio.shield(sink.record(state))
                yield part
    except Exception as error:
        state = replace(trace, state="failed", error=f"{type(error).__name__}: {error}")
        raise
    finally:
        if state.state in ("aborted", "failed"):
            state = replace(state, answer="".join(text), **_times(trace, first))
            # Nobody waits for this answer any more; the record must not be cut off with it.
            await asyncio.shield(sink.record(state))


def _ended(trace: Trace, ending: Ending) -> Trace:
    sources = sorted({citation.source for citation in ending.citations})
    return replace(
        trace,
        state="refused" if ending.refused else "done",
        label=ending.label,
        finish=ending.finish,
        sections=tuple(citation.id for citation in ending.citations),
        sources=tuple(map(Ref.parse, sources)),
        prompt_tokens=ending.usage.prompt_tokens,
        completion_tokens=ending.usage.completion_tokens,
    )


def _times(trace: Trace, first: float | None) -> dict[str, Any]:
    return {"first_token_seconds": first, "seconds": time.time() - trace.at}
