"""Engines kept open: each version is loaded once, off the event loop, and closed when unneeded.

What an engine is, and which ones an endpoint needs, is the house's business. All methods run on
the event loop, so they need no locks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from inhouse.core.errors import EngineStopped

T = TypeVar("T")


@dataclass(slots=True)
class _Engine(Generic[T]):
    loading: asyncio.Task[T]
    leases: int = 0


async def _nothing(engine: object) -> None:
    """Close what needs no closing."""


class Engines(Generic[T]):
    """Engines by key, where a key names one immutable version."""

    def __init__(self, close: Callable[[T], Awaitable[None]] = _nothing) -> None:
        self._close = close
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

    def forget(self, owner: str) -> None:
        """Take note that an owner needs no engine more; they are closed when nobody holds them."""
        self._needed.pop(owner, None)
        self._sweep()

    @asynccontextmanager
    async def lease(self, owner: str, key: str, load: Callable[[], T]) -> AsyncIterator[T]:
        """Give the engine that an owner needs from now on, loading it on a thread if it is new.

        A request that goes away does not stop a load that others may wait for; a load that failed
        is tried again, and an engine that stopped is loaded anew for the next request.
        """
        self._needed.setdefault(owner, set()).add(key)
        if key not in self._open or _failed(self._open[key].loading):
            self._open[key] = _Engine(asyncio.create_task(asyncio.to_thread(load)))
        engine = self._open[key]
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
        """Close all engines. Nobody may hold one any more."""
        self._needed.clear()
        self._sweep()
        await asyncio.gather(*self._closing)

    def _sweep(self) -> None:
        needed = set().union(*self._needed.values())
        for key, engine in list(self._open.items()):
            if engine.leases == 0 and key not in needed:
                del self._open[key]
                self._let_go(engine)

    def _let_go(self, engine: _Engine[T]) -> None:
        task = asyncio.create_task(self._finish(engine.loading))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _finish(self, loading: asyncio.Task[T]) -> None:
        await asyncio.wait([loading])
        if not _failed(loading):
            await self._close(loading.result())


def _failed(loading: asyncio.Task[T]) -> bool:
    return loading.done() and (loading.cancelled() or loading.exception() is not None)
