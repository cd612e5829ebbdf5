"""Whether the server is ready for requests: its store, its recorder, its models, and that it stays.

Why not is said in words that tell nothing of what is here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

from inhouse.core.errors import InhouseError
from inhouse.serve.house import House
from inhouse.serve.opening import Opening

log = logging.getLogger(__name__)

FRESH_SECONDS = 1.0
PATIENCE_SECONDS = 2.0


class NotReady(InhouseError):
    """The server answers, but should get no requests now."""

    status = 503
    code = "not_ready"


@runtime_checkable
class Probed(Protocol):
    """A sink that can be asked whether it could record now."""

    async def probe(self) -> None:
        """Write something that changes nothing.

        Raises:
            StoreError: it could not be written.
        """
        ...


class Readiness:
    """Looks at what requests need, at most once a second however often it is asked."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._opening: Opening | None = None
        self._leaving = False
        self._looks: dict[str, _Look] = {
            "the store cannot be read": _Look(self._read),
            "nothing can be recorded": _Look(self._probe),
        }

    def open_first(self) -> None:
        """Open what endpoints need when the server starts; until then it is not ready."""
        self._opening = Opening(self._house)

    def begin(self) -> None:
        """Take note that the server starts."""
        if self._opening:
            self._opening.begin()

    async def close(self) -> None:
        """Open no more."""
        if self._opening:
            await self._opening.close()

    def leave(self) -> None:
        """Take note that the server is about to stop."""
        self._leaving = True

    async def require(self) -> int:
        """Return how many endpoints cannot be opened, if requests to the others can be answered.

        Raises:
            NotReady: they cannot, or no more should come; it says why.
        """
        fine = await asyncio.gather(*(look.fine() for look in self._looks.values()))
        reasons = [why for why, well in zip(self._looks, fine, strict=True) if not well]
        if self._opening:
            reasons += self._opening.reasons
        if self._leaving:
            reasons.append("it is stopping")
        if reasons:
            raise NotReady(f"Not ready: {', '.join(reasons)}.", "Ask another server meanwhile.")
        return self._opening.unopened if self._opening else 0

    async def _read(self) -> None:
        await asyncio.to_thread(self._house.catalog.heads, "endpoints")

    async def _probe(self) -> None:
        sink: object = self._house.sink
        if isinstance(sink, Probed):
            await sink.probe()


class _Look:
    """One thing that is looked at, with what was found the last time."""

    def __init__(self, look: Callable[[], Awaitable[None]]) -> None:
        self._look = look
        self._looking: asyncio.Task[bool] | None = None
        self._until = 0.0

    async def fine(self) -> bool:
        """Say whether all is well; what takes too long is not, and is not begun a second time."""
        if self._looking is None or (self._looking.done() and time.monotonic() > self._until):
            self._looking = asyncio.create_task(self._once())
        await asyncio.wait({self._looking}, timeout=PATIENCE_SECONDS)
        return self._looking.done() and self._looking.result()

    async def _once(self) -> bool:
        try:
            await self._look()
        except Exception as error:  # whatever it is, no request could be answered
            why = error if isinstance(error, InhouseError) else type(error).__name__
            log.warning("Not ready: %s", why)
            return False
        finally:
            self._until = time.monotonic() + FRESH_SECONDS
        return True
