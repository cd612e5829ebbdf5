"""What is seen of one request from outside: names, times and counts, and never what was said.

It is filled on the way and told to the watchers at the end: `metrics`, `logs` and, if they are
wanted, `spans`. What was asked and answered stands in the traces alone.
"""

from __future__ import annotations

import time
from collections.abc import MutableMapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self

from inhouse.core.nouns import Trace
from inhouse.core.protocols import Sink, Usage

Kind = Literal["retrieval", "generation", "embedding", "classifying"]

ELSEWHERE = "other"
"""The route of whatever has none here: a path is text of the caller's."""


class Answer(Protocol):
    """What is seen of an answer; `first` and `last` are when its pieces came, 0 for never."""

    index: int
    finish: str
    first: float
    last: float
    ours: dict[str, Any]

    @property
    def usage(self) -> Usage:
        """The tokens that it took so far."""
        ...


@dataclass(slots=True)
class Step:
    """A part of the work; `of` is the knowledge base, or the model if it is not the endpoint's.

    It is seen by the request at hand from when a ``with`` block begins to when it ends, and by
    which kind of error.
    """

    kind: Kind
    of: str = ""
    started: float = 0.0
    ended: float = 0.0
    usage: Usage | None = None
    finish: str = ""
    failure: str = ""

    def __enter__(self) -> Self:
        self.started = time.perf_counter()
        current().steps.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.ended = time.perf_counter()
        if kind is not None:
            self.failure = kind.__name__


@dataclass(slots=True)
class Seen:
    """One request. Times are of `time.perf_counter`, but for `at`: seconds since 1970.

    `failure` is the code of the error that was answered. `endpoint` and `model` are set when the
    caller was admitted to them, so they exist. `read` is how many tokens were read where no answer
    is written. `records` is how long each of its records took; `costs` are the model, the unit and
    the amount of each answer that cost something.
    """

    id: str
    method: str
    route: str = ELSEWHERE
    at: float = field(default_factory=time.time)
    started: float = field(default_factory=time.perf_counter)
    ended: float = 0.0
    status: int = 0
    failure: str = ""
    endpoint: str = ""
    model: str = ""
    read: int = 0
    answers: Sequence[Answer] = ()
    steps: list[Step] = field(default_factory=list)
    records: list[float] = field(default_factory=list)
    unrecorded: int = 0
    costs: list[tuple[str, str, float]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.started


class Watcher(Protocol):
    """Hears of every request when it has ended; must not wait for anything."""

    def __call__(self, seen: Seen, scope: MutableMapping[str, Any]) -> None:
        """Take one request, and the ASGI scope it came with."""
        ...


_CURRENT: ContextVar[Seen] = ContextVar("seen")


def begin(id: str, method: str) -> Seen:
    """Return what will be seen of the request that is handled from now on in this context."""
    seen = Seen(id, method)
    _CURRENT.set(seen)
    return seen


def current() -> Seen:
    """Return what is seen of the request at hand; outside of one, what nobody will look at."""
    return _CURRENT.get(None) or Seen("", "")


async def kept(sink: Sink, trace: Trace) -> None:
    """Record a trace, and see how long that took and what the answer cost.

    Raises:
        StoreError: it could not be written.
    """
    seen, started = current(), time.perf_counter()
    try:
        await sink.record(trace)
    except Exception:
        seen.unrecorded += 1
        raise
    seen.records.append(time.perf_counter() - started)
    if trace.cost and trace.state != "open":
        seen.costs.append((trace.model, trace.price, trace.cost))
