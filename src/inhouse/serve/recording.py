"""The record of a request: opened before the first byte of its answer, completed before the last.

Where records go is the business of a `Sink`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from inhouse.core.access import Decision
from inhouse.core.artifact import Ref
from inhouse.core.label import Label
from inhouse.core.nouns import Trace
from inhouse.core.protocols import Piece, Sink
from inhouse.serve.answer import Ending
from inhouse.serve.house import Served

Part = str | Piece | Ending
Parts = AsyncGenerator[Part, None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came: its id, the route, the body as JSON, and whether it is streamed."""

    id: str
    route: str
    body: Mapping[str, Any]
    streamed: bool
    at: float = field(default_factory=time.time)

    def trace(self, served: Served, number: int, reach: Sequence[Decision]) -> Trace:
        """Return the record of one of its answers, before there is any; the first has its id.

        Which sources it will rest on is known at its end. Until then, and for good if it is cut
        off, it counts as resting on all within `reach`, for some of its text may.
        """
        return Trace(
            id=f"{self.id}-{number}" if number else self.id,
            at=self.at,
            actor=served.actor.name,
            route=self.route,
            state="open",
            label=Label.joined([served.label, *(decision.label for decision in reach)]),
            sources=tuple(decision.thing for decision in reach),
            endpoint=served.endpoint.ref,
            model=served.model_name,
            digest=served.digest,
            request=self.body,
        )


async def recorded(parts: Parts, sink: Sink, trace: Trace, *, streamed: bool) -> Parts:
    """Pass an answer on, with its record safe before the end is.

    If it is `streamed`, a record stands before its first piece: so an answer that was cut off is on
    record too. Closing the stream records that it was.

    Raises:
        StoreError: nothing can be recorded, so nothing is answered.
    """
    so_far = _SoFar()
    state = replace(trace, state="aborted")
    try:
        async with aclosing(parts):
            async for part in parts:
                if isinstance(part, Ending):
                    state = so_far.into(_ended(trace, part))
                    await asyncio.shield(sink.record(state))
                elif so_far.add(part) and streamed:
                    await sink.record(trace)
                yield part
    except Exception as error:
        state = replace(trace, state="failed", error=f"{type(error).__name__}: {error}")
        raise
    finally:
        if state.state in ("aborted", "failed"):
            # Nobody waits for this answer any more; the record must not be cut off with it.
            await asyncio.shield(sink.record(so_far.into(state)))


class _SoFar:
    """What has been said of an answer, and when it began."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._first: float | None = None

    def add(self, part: str | Piece) -> bool:
        """Take what came next; say whether it was the first."""
        piece = Piece(part) if isinstance(part, str) else part
        self._texts.append(piece.text)
        self._calls += map(asdict, piece.calls)
        begun = self._first is not None
        self._first = self._first or time.time()
        return not begun

    def into(self, trace: Trace) -> Trace:
        """Return a trace with all of it."""
        first = self._first - trace.at if self._first else None
        return replace(
            trace,
            answer="".join(self._texts),
            first_token_seconds=first,
            seconds=time.time() - trace.at,
            extra={**trace.extra, "tool_calls": self._calls} if self._calls else trace.extra,
        )


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
