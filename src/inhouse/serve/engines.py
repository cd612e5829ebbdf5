"""Engines kept open: each version is loaded once, off the event loop, and closed when unneeded.

Together they keep within a budget of memory, as far as those in use allow.

What an engine is, and which ones an endpoint needs, is the house's business. All methods run on
the event loop, so they need no locks.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import Generic, TypeVar

from inhouse.core.errors import EngineStopped, NotSetUp, UserError

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True)
class _Engine(Generic[T]):
    loading: asyncio.Future[T]
    size: int = 0
    leases: int = 0


async def _finally(closing: Awaitable[None]) -> None:
    await closing


async def _nothing(engine: object) -> None:
    """Close what needs no closing."""


class Engines(Generic[T]):
    """Engines by key, where a key names one immutable version.

    Those of a size are kept within `budget` bytes together: before one is loaded, and whenever one
    is given back, the least recently used that nobody holds are closed. One in use never is, nor is
    the last one used; so together they may take more.
    """

    def __init__(
        self, close: Callable[[T], Awaitable[None]] = _nothing, *, budget: int = sys.maxsize
    ) -> None:
        self._close = close
        self.budget = budget
        # The one that was used last is the last.
        self._open: dict[str, _Engine[T]] = {}
        self._needed: dict[str, set[str]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def owners(self) -> Sequence[str]:
        """Who needs engines."""
        return list(self._needed)

    @property
    def open(self) -> Mapping[str, T]:
        """The engines that are loaded, by key."""
        return {
            key: engine.loading.result()
            for key, engine in self._open.items()
            if engine.loading.done() and not _failed(engine.loading)
        }

    @property
    def size(self) -> int:
        """How many bytes those take that are open or being opened."""
        return sum(engine.size for engine in self._open.values())

    def forget(self, owner: str) -> None:
        """Take note that an owner needs no engine more; they are closed when nobody holds them."""
        self._needed.pop(owner, None)
        self._sweep()

    @asynccontextmanager
    async def lease(
        self, owner: str, key: str, load: Callable[[], T], *, size: int = 0
    ) -> AsyncIterator[T]:
        """Give the engine that an owner needs from now on, loading it on a thread if it is new.

        Its `size` counts against the budget.

        A request that goes away does not stop a load that others may wait for; a load that failed
        is tried again, and an engine that stopped is loaded anew for the next request.

        Raises:
            NotSetUp: it cannot be loaded, which is no fault of whoever asks.
        """
        self._needed.setdefault(owner, set()).add(key)
        engine = self._open.pop(key, None)
        if engine is None or _failed(engine.loading):
            self._make_room(size)
            engine = _Engine(self._begun(load), size)
        self._open[key] = engine
        engine.leases += 1
        self._sweep()
        try:
            yield await asyncio.shield(engine.loading)
        except EngineStopped:
            if self._open.get(key) is engine:
                del self._open[key]
                self._let_go(engine)
            raise
        finally:
            engine.leases -= 1
            self._sweep()

    async def close(self) -> None:
        """Close all engines. Nobody may hold one any more.

        What is being loaded is not waited for: it may take half an hour.
        """
        self._needed.clear()
        self._sweep()
        await asyncio.gather(*self._closing)

    def _begun(self, load: Callable[[], T]) -> asyncio.Future[T]:
        """Load on a thread of its own: one that waits for long takes nobody else's place.

        It begins when those that are being closed have given their memory back. The process does
        not wait for the thread when it ends.
        """
        loop = asyncio.get_running_loop()
        loading: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            try:
                engine = _loaded(load)
            except BaseException as error:
                with suppress(RuntimeError):  # nobody is there any more
                    loop.call_soon_threadsafe(loading.set_exception, error)
                return
            try:
                loop.call_soon_threadsafe(loading.set_result, engine)
            except RuntimeError:
                asyncio.run(_finally(self._close(engine)))

        thread = threading.Thread(target=copy_context().run, args=(work,), daemon=True)
        if self._closing:
            closed = asyncio.gather(*self._closing, return_exceptions=True)
            closed.add_done_callback(lambda _: thread.start())
        else:
            thread.start()
        return loading

    def _make_room(self, coming: int = 0) -> None:
        """Close what nobody holds until the rest, and what is coming, is within the budget."""
        sized = [key for key, engine in self._open.items() if engine.size]
        taken = coming + self.size
        for key in sized if coming else sized[:-1]:
            if taken <= self.budget:
                return
            engine = self._open[key]
            if not engine.leases:
                taken -= engine.size
                log.info("%s is closed to make room for others.", key[:8])
                del self._open[key]
                self._let_go(engine)

    def _sweep(self) -> None:
        needed = set().union(*self._needed.values())
        for key, engine in list(self._open.items()):
            if engine.leases == 0 and key not in needed:
                del self._open[key]
                self._let_go(engine)
        self._make_room()

    def _let_go(self, engine: _Engine[T]) -> None:
        if not engine.loading.done():
            engine.loading.add_done_callback(self._finish)
        else:
            self._finish(engine.loading)

    def _finish(self, loading: asyncio.Future[T]) -> None:
        if not _failed(loading):
            task = asyncio.create_task(_finally(self._close(loading.result())))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _loaded(load: Callable[[], T]) -> T:
    try:
        return load()
    except UserError as error:
        log.error("An engine cannot be opened: %s", error)
        raise NotSetUp(
            "What would answer cannot be opened.", "Only the operator can mend it: see the log."
        ) from error


def _failed(loading: asyncio.Future[T]) -> bool:
    return loading.done() and (loading.cancelled() or loading.exception() is not None)
