"""The record of a request: opened before the first byte of its answer, completed before the last.

Where records go is the business of a `Sink`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from inhouse.core.access import Actor, Decision
from inhouse.core.artifact import Ref
from inhouse.core.label import Label
from inhouse.core.nouns import Trace, TraceState
from inhouse.core.protocols import Piece, Sink
from inhouse.serve.answer import Ending
from inhouse.serve.failures import private_of
from inhouse.serve.guarding import on_record
from inhouse.serve.house import Served
from inhouse.serve.price import Price
from inhouse.serve.seen import current, kept
from inhouse.serve.tally import Tally

if TYPE_CHECKING:
    from inhouse.serve.limits import Spend

Part = str | Piece | Tally | Ending | Served
"""What comes of an answer: its tally, and an opened endpoint says which model it is from."""
Parts = AsyncGenerator[Part, None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came: its id, the route, the body as JSON, and whether it is streamed."""

    id: str
    route: str
    body: Mapping[str, Any]
    streamed: bool = False
    at: float = field(default_factory=time.time)

    def answer_id(self, number: int) -> str:
        """Return the id of one of its answers, and of its record; the first has the request's."""
        return f"{self.id}-{number}" if number else self.id

    def trace(self, served: Served, number: int, reach: Sequence[Decision]) -> Trace:
        """Return the record of one of its answers, before there is any.

        Which sources it will rest on is known at its end. Until then, and for good if it is cut
        off, it counts as resting on all within `reach`, for some of its text may.
        """
        return Trace(
            id=self.answer_id(number),
            at=self.at,
            actor=served.actor.name,
            route=self.route,
            state="open",
            label=Label.joined([served.label, *(decision.label for decision in reach)]),
            sources=tuple(decision.thing for decision in reach),
            endpoint=served.endpoint.ref,
            model=served.model_name,
            digest=served.digest,
            request=on_record(self.body, served.settings.guard),
        )

    def lookup(self, actor: Actor, thing: Ref, label: Label, digest: str = "") -> Trace:
        """Return the record of a request that writes no text, before it has found anything."""
        return Trace(
            id=self.id,
            at=self.at,
            actor=actor.name,
            route=self.route,
            state="aborted",
            label=label,
            model=thing.pinned,
            digest=digest,
            request=self.body,
        )


@dataclass(slots=True)
class Lookup:
    """What a request that writes no text has read and found; `label` is what it carries."""

    label: Label
    prompt_tokens: int = 0
    answer: str = ""
    sections: tuple[str, ...] = ()
    sources: tuple[Ref, ...] = ()


@asynccontextmanager
async def looked_up(
    sink: Sink | None, trace: Trace, spend: Spend | None = None
) -> AsyncIterator[Lookup]:
    """Give what is to be filled with what a request finds; its record is safe after the block.

    What it has read is told to `spend`, also if nobody waits for it any more.

    Raises:
        StoreError: nothing can be recorded, so nothing is answered.
    """
    found, error = Lookup(trace.label), ""
    state: TraceState = trace.state
    seen = current()
    seen.model = trace.model
    try:
        yield found
        state, seen.read = "done", found.prompt_tokens
    except Exception as failure:
        state, error = "failed", told(failure)
        raise
    finally:
        if spend and not error:
            spend(found.prompt_tokens)
        if sink is not None:
            facts = {each.name: getattr(found, each.name) for each in fields(Lookup)}
            seconds = time.time() - trace.at
            ended = replace(trace, state=state, error=error, seconds=seconds, **facts)
            await kept(sink, ended)


async def recorded(
    parts: Parts, sink: Sink, trace: Trace, *, streamed: bool, price: Price | None = None
) -> Parts:
    """Pass an answer on, with its record safe before the end is.

    If it is `streamed`, a record stands before its first piece: so an answer that was cut off is on
    record too. Closing the stream records that it was. It costs what its tokens do by `price`, or
    by that of the model that takes it over.

    Raises:
        StoreError: nothing can be recorded, so nothing is answered.
    """
    said = _Said(trace, price)
    try:
        async with aclosing(parts):
            async for part in parts:
                if isinstance(part, Ending):
                    await kept(sink, said.ended(part))
                elif said.add(part) and streamed:
                    await kept(sink, said.trace)
                yield part
    except Exception as error:
        said.failed(error)
        raise
    finally:
        if not said.whole:
            # Nobody waits for this answer any more; it is on record all the same.
            await kept(sink, said.cut_off())


class _Said:
    """What has been said of an answer so far, and by whom."""

    def __init__(self, trace: Trace, price: Price | None) -> None:
        self.trace = trace
        self.whole = False
        self._price = price
        self._tally = Tally()
        self._texts: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._first: float | None = None
        self._error = ""

    def add(self, part: Part) -> bool:
        """Take what came next; say whether it is the first that is said."""
        if isinstance(part, Tally):
            self._tally = part
            return False
        if isinstance(part, Served):
            self.trace, self._price = _taken_over(self.trace, part), part.price
            self._first = None
            self._texts.clear()
            self._calls.clear()
            return False
        if isinstance(part, Piece):
            self._texts.append(part.text)
            self._calls += map(asdict, part.calls)
        elif isinstance(part, str):
            self._texts.append(part)
        begun, self._first = self._first is not None, self._first or time.time()
        return not begun

    def failed(self, error: Exception) -> None:
        """Take note of why there is no more, or of why it is not on record."""
        self.whole = False
        self._error = told(error)

    def ended(self, ending: Ending) -> Trace:
        """Return the record of a whole answer."""
        self.whole = True
        sources = sorted({citation.source for citation in ending.citations})
        return self._record(
            state="refused" if ending.refused else "done",
            label=ending.label,
            finish=ending.finish,
            sections=tuple(citation.id for citation in ending.citations),
            sources=tuple(map(Ref.parse, sources)),
        )

    def cut_off(self) -> Trace:
        """Return the record of an answer that nobody waits for any more, or that failed."""
        return self._record(state="failed" if self._error else "aborted", error=self._error)

    def _record(self, **how: Any) -> Trace:  # noqa: ANN401 - fields of a trace
        usage, price, at = self._tally.usage, self._price, self.trace.at
        if self._calls:
            how["extra"] = {**self.trace.extra, "tool_calls": self._calls}
        return replace(
            self.trace,
            answer="".join(self._texts),
            first_token_seconds=self._first - at if self._first else None,
            seconds=time.time() - at,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cost=price.of(usage) if price else None,
            price=price.unit if price else "",
            **how,
        )


def told(error: Exception) -> str:
    """Return what the record says of a failure, with what callers are not shown."""
    said = f"{type(error).__name__}: {error} {private_of(error)}".rstrip()
    return "\n".join([said, *getattr(error, "__notes__", ())])


def _taken_over(trace: Trace, served: Served) -> Trace:
    tried = {"tried": list(map(asdict, served.tried))} if served.tried else {}
    return replace(
        trace,
        model=served.model_name,
        digest=served.digest,
        extra={**trace.extra, **tried},
    )
