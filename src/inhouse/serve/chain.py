"""Several models of one endpoint, asked in turn: the first that can answer does.

A model that fails before the first part of its answer is passed over for the next one. After that
nothing is switched in a stream; of an answer that is given whole nobody has seen anything yet, so
the next model begins it anew. One that failed for a reason of its own rests for a while: others are
asked first. Opening models is the house's business, and making an answer is that of whoever asks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    aclosing,
    asynccontextmanager,
)
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from inhouse.core.errors import (
    EngineFailed,
    EngineStopped,
    Incapable,
    InhouseError,
    NotSetUp,
    ProviderError,
    RequestRefused,
    TooLong,
)
from inhouse.core.nouns import Endpoint
from inhouse.core.protocols import LanguageModel
from inhouse.serve.endpoint import Serve
from inhouse.serve.failures import place_of, private_of
from inhouse.serve.price import Price
from inhouse.serve.seen import current
from inhouse.serve.tally import Tally

if TYPE_CHECKING:
    from inhouse.serve.house import Served

log = logging.getLogger(__name__)

REST_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Link:
    """One model of a chain, as the endpoint that would have this model alone.

    `digest` is that of the model's bytes, empty for somebody's API. `key` is the same wherever the
    same model is used. `size` is how many bytes its files have.
    """

    endpoint: Endpoint
    settings: Serve
    digest: str
    price: Price | None
    key: str
    size: int = 0

    @property
    def name(self) -> str:
        """The model's reference with its full version, or what an API calls it."""
        model = self.endpoint.model
        return model.pinned if model else str(self.settings.api["name"])


@dataclass(frozen=True, slots=True)
class Tried:
    """A model that was passed over, and why; what is `private` is for the record alone."""

    model: str
    reason: str
    private: str = ""

    @property
    def shown(self) -> dict[str, str]:
        """What callers see of it."""
        return {"model": self.model, "reason": self.reason}


class Unopened(Exception):
    """A model cannot be opened; the cause says why."""


OWN_FAULT = (ProviderError, EngineStopped, NotSetUp, Unopened)
NOT_FOR_THIS = (Incapable, TooLong, RequestRefused, EngineFailed)
"""What a model cannot do for this one request, which says nothing of the next."""


class Resting:
    """The models that failed a moment ago, by their keys, and why."""

    def __init__(
        self, seconds: float = REST_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until: dict[str, tuple[float, str]] = {}

    def reason(self, key: str) -> str | None:
        """Return why a model rests, or None if it does not."""
        until, why = self._until.get(key, (0.0, ""))
        return why if self._clock() < until else None

    def asked(self, key: str) -> None:
        """Take note that a model is asked after its rest: only one request finds out for all."""
        if key in self._until:
            self.failed(key, self._until[key][1])

    def failed(self, key: str, why: str) -> None:
        """Let a model rest from now on."""
        self._until[key] = (self._clock() + self._seconds, why)

    def works(self, key: str) -> None:
        """Let a model rest no more."""
        self._until.pop(key, None)


Lease = Callable[[Link], AbstractAsyncContextManager[LanguageModel]]


@dataclass(frozen=True, slots=True)
class Chain:
    """The models of an endpoint in their order, how to open one, and which of all models rest."""

    links: Sequence[Link]
    lease: Lease
    resting: Resting

    @asynccontextmanager
    async def first(self) -> AsyncIterator[tuple[Link, LanguageModel]]:
        """Open the first that can be opened, and hold it until the block ends.

        Raises:
            InhouseError: none can; what keeps the first one from it.
        """
        links = sorted(self.links, key=lambda link: self.resting.reason(link.key) is not None)
        errors: list[Exception] = []
        async with AsyncExitStack() as held:
            for link in links:
                try:
                    model = await held.enter_async_context(self.opened(link))
                except Unopened as error:
                    self.passed_over(link, error)
                    errors.append(error)
                else:
                    yield link, model
                    return
        raise _told(errors[0])

    @asynccontextmanager
    async def opened(self, link: Link) -> AsyncIterator[LanguageModel]:
        """Open a model and hold it until the block ends.

        Raises:
            Unopened: it cannot be opened.
        """
        async with AsyncExitStack() as held:
            try:
                model = await held.enter_async_context(self.lease(link))
            except Exception as error:  # whatever it is, this model is not to be had
                raise Unopened from error
            yield model

    def turns(self, tried: list[Tried]) -> Iterator[Link]:
        """Yield the models as they are to be asked: those that rest come last.

        To `tried` it adds those that others are asked before.
        """
        later = []
        for link in self.links:
            reason = self.resting.reason(link.key)
            if reason is None:
                self.resting.asked(link.key)
                yield link
            else:
                tried.append(Tried(link.name, f"It failed a moment ago: {reason}"))
                later.append(link)
        yield from later

    def passed_over(self, link: Link, error: Exception) -> Tried:
        """Take note of a failure, so that others are asked first for a while; tell it in words."""
        told = _told(error)
        known = isinstance(told, InhouseError)
        reason = told.what if isinstance(told, InhouseError) else "It cannot be opened."
        if not isinstance(error, NOT_FOR_THIS):
            self.resting.failed(link.key, reason)
            kind, unforeseen = type(told).__name__, None if known else told
            words = (current().id, link.name, kind, place_of(told))
            log.warning("%s: %s could not answer: %s%s", *words, exc_info=unforeseen)
        return Tried(link.name, reason, private_of(told))


async def chained(
    served: Served, ask: Callable[[Served], AsyncGenerator[Any, None]], *, whole: bool
) -> AsyncGenerator[Any, None]:
    """Yield by which model an endpoint answers, as it was opened for that, and then the answer.

    If the answer is given `whole`, another model may be yielded in the middle of it: then that one
    answers, and what came before is void.

    Raises:
        InhouseError: no model can answer. What keeps a model from answering anything goes before
            what it cannot do for this request.
    """
    chain = served.chain
    assert chain is not None
    tried: list[Tried] = []
    errors: list[Exception] = []
    for link in chain.turns(tried):
        begun = False
        try:
            async with chain.opened(link) as model:
                this = replace(
                    served,
                    endpoint=link.endpoint,
                    settings=link.settings,
                    model=model,
                    digest=link.digest,
                    price=link.price,
                    tried=tuple(tried),
                    spare=len(errors) + 1 < len(chain.links),
                )
                async with aclosing(ask(this)) as parts:
                    async for part in parts:
                        if not begun and not isinstance(part, Tally):
                            begun = True
                            chain.resting.works(link.key)
                            yield this
                        yield part
        except (*OWN_FAULT, *NOT_FOR_THIS) as error:
            told = chain.passed_over(link, error)
            if begun and not whole:
                raise
            errors.append(error)
            tried.append(told)
        else:
            return
    raise _most_telling(errors, tried)


def answers(
    served: Served, ask: Callable[[Served], AsyncGenerator[Any, None]], *, whole: bool = False
) -> AsyncGenerator[Any, None]:
    """Return the answer of an endpoint's one model, or what `chained` yields."""
    return chained(served, ask, whole=whole) if served.chain else ask(served)


def _told(error: Exception) -> Exception:
    cause = error.__cause__
    return cause if isinstance(error, Unopened) and isinstance(cause, Exception) else error


def _most_telling(errors: Sequence[Exception], tried: Sequence[Tried]) -> Exception:
    """Return the error that goes out if nobody can answer, with the others as notes for the log."""
    faults = [error for error in errors if not isinstance(error, NOT_FOR_THIS)]
    told = _told(faults[0] if faults else errors[-1])
    known = getattr(told, "__notes__", ())
    for each in tried:
        note = f"{each.model}: {each.reason} {each.private}".rstrip()
        if note not in known:
            told.add_note(note)
    return told
