"""Shadows: the version that is tried is sent a request as well, and what it says is only recorded.

That happens behind the answer, when that is whole: nobody waits for a shadow, none can fail a
request, and there are never more than a few. Which version is tried is the catalog's business.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from inhouse.catalog.trials import Trial
from inhouse.core.access import Actor, Decision
from inhouse.core.errors import ProviderError, Refused, StoreError
from inhouse.core.nouns import SHADOW, Trace
from inhouse.core.protocols import Sink
from inhouse.serve.choices import Dialect, streams_of
from inhouse.serve.house import House, Served
from inhouse.serve.price import Price
from inhouse.serve.recording import Asked, Parts, recorded, told

log = logging.getLogger(__name__)

MOST = 8
SECONDS = 300.0
TOLD_EVERY = 1_000


class Shadows:
    """The shadows of one house that are on their way. All methods run on the event loop.

    `sent` and `dropped` count requests: those that went to what is tried, and those that did not
    because `most` of the same trial were on their way. `tokens` and `costs` are what they took, by
    the names of endpoint and model and by the kind of tokens or the unit.
    """

    def __init__(self, house: House, *, most: int = MOST, seconds: float = SECONDS) -> None:
        self._house = house
        self._most = most
        self._seconds = seconds
        self._running: dict[asyncio.Task[None], Trial] = {}
        self.sent = 0
        self.dropped = 0
        self.tokens: Counter[tuple[str, str, str]] = Counter()
        self.costs: defaultdict[tuple[str, str, str], float] = defaultdict(float)

    @property
    def in_flight(self) -> int:
        """How many requests are with what is tried."""
        return len(self._running)

    def send(self, served: Served, dialect: Dialect, asked: Asked) -> None:
        """Send what was answered just now to what is tried in its shadow, if anything is.

        It comes back at once and raises nothing.
        """
        try:
            trial = self._house.catalog.lineage.latest.trial(served.endpoint.ref)
        except StoreError as error:
            log.warning("It is not known what is tried: %s", error)
            return
        if self._running:
            self._cut_off(served.endpoint.ref.path, trial)
        if trial is None or trial.kind != "shadow" or self._house.sink is None:
            return
        # Chosen by chance, as shares of requests are; nobody gains by knowing which.
        if trial.ref == served.endpoint.ref or random.random() * 100 >= trial.percent:
            return
        if sum(of.began == trial.began for of in self._running.values()) >= self._most:
            self.dropped += 1
            if self.dropped % TOLD_EVERY == 1:
                log.warning("%d shadows at a time: %d dropped so far", self._most, self.dropped)
            return
        task = asyncio.create_task(
            self._answer(trial, served.actor, dialect, asked),
            context=contextvars.Context(),  # what is seen of the request is no business of its
        )
        self._running[task] = trial
        task.add_done_callback(self._running.pop)
        self.sent += 1

    async def close(self) -> None:
        """Cut off all that are on their way; they are recorded as such."""
        for task in self._running:
            _cancel(task)
        await asyncio.gather(*self._running, return_exceptions=True)

    def _cut_off(self, path: str, now: Trial | None) -> None:
        """Cut off what belongs to an earlier trial of a name: it may hang, and keep others out."""
        for task, trial in self._running.items():
            if trial.ref.path == path and (now is None or trial.began != now.began):
                _cancel(task)

    async def _answer(self, trial: Trial, actor: Actor, dialect: Dialect, asked: Asked) -> None:
        asked = replace(asked, id=f"{SHADOW}{asked.id}", at=time.time(), streamed=False)
        try:
            decision = self._house.catalog.access.decide(actor, "use", trial.ref, record=False)
            if decision.allowed:
                await self._record(trial, decision, actor, dialect, asked)
        except (Refused, StoreError) as error:
            log.warning("The shadow %s is not on record: %s", asked.id, type(error).__name__)
        except Exception:  # nobody else would hear of it
            log.exception("The shadow %s failed.", asked.id)

    async def _record(
        self, trial: Trial, decision: Decision, actor: Actor, dialect: Dialect, asked: Asked
    ) -> None:
        sink = self._house.sink
        assert sink is not None
        begun: Sequence[Parts] = ()
        try:
            async with self._house.endpoint(dialect.model, actor, version=trial.ref) as served:
                reach = self._house.reach(served)
                begun = [
                    self._recorded(stream, sink, asked.trace(served, number, reach), served.price)
                    for number, stream in enumerate(streams_of(dialect, served))
                ]
                for failure in await asyncio.gather(*map(_heard, begun), return_exceptions=True):
                    if failure:
                        raise failure
        except (Refused, StoreError):
            raise
        except Exception as error:
            if not begun:  # else that is on record already
                await sink.record(_failed(trial, decision, asked, error))

    def _recorded(self, stream: Parts, sink: Sink, trace: Trace, price: Price | None) -> Parts:
        marked = replace(trace, extra={"shadow_of": trace.id.removeprefix(SHADOW)})
        parts = _timely(stream, self._seconds)
        return recorded(parts, _Counting(sink, self._count), marked, streamed=False, price=price)

    def _count(self, trace: Trace) -> None:
        endpoint = trace.endpoint.name if trace.endpoint else ""
        model = trace.model.partition("@")[0]
        self.tokens[endpoint, model, "prompt"] += trace.prompt_tokens
        self.tokens[endpoint, model, "completion"] += trace.completion_tokens
        if trace.cost:
            self.costs[endpoint, model, trace.price] += trace.cost


@dataclass(frozen=True, slots=True)
class _Counting:
    """A sink that tells what it has recorded."""

    sink: Sink
    tell: Callable[[Trace], None]

    async def record(self, trace: Trace) -> None:
        await self.sink.record(trace)
        self.tell(trace)


def _cancel(task: asyncio.Task[None]) -> None:
    """Cancel a task once: a second time would cut off its tidying up."""
    if not task.cancelling():
        task.cancel()


async def _heard(stream: Parts) -> None:
    async with aclosing(stream) as parts:
        async for _ in parts:
            pass


async def _timely(stream: Parts, seconds: float) -> Parts:
    """Pass an answer on, unless it takes too long. One task hears it to its end."""
    try:
        async with asyncio.timeout(seconds), aclosing(stream) as parts:
            async for part in parts:
                yield part
    except TimeoutError as error:
        what = f"The shadow has not ended after {seconds:g} seconds."
        raise ProviderError(what, "See what hangs there.") from error


def _failed(trial: Trial, decision: Decision, asked: Asked, error: Exception) -> Trace:
    return Trace(
        id=asked.id,
        at=asked.at,
        actor=decision.actor,
        route=asked.route,
        state="failed",
        label=decision.label,
        endpoint=trial.ref,
        request=asked.body,
        error=told(error),
        seconds=time.time() - asked.at,
        extra={"shadow_of": asked.id.removeprefix(SHADOW)},
    )
