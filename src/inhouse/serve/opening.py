"""Opens at the start of a server what its endpoints need, beside the requests that come already.

One after the other, as far as the memory for models goes; what does not fit is opened when it is
asked for. What could not be opened is tried again after growing pauses.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from inhouse.core.artifact import Ref
from inhouse.core.errors import InhouseError
from inhouse.serve.house import House

log = logging.getLogger(__name__)

PAUSE_SECONDS = 5.0
LONGEST_PAUSE = 60.0


class Opening:
    """What of a house's endpoints is open, from the start on; names are for the log alone."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._work: asyncio.Task[None] | None = None
        self._all: Sequence[Ref] | None = None
        self._tried = 0
        self._failed: dict[str, str] = {}

    @property
    def unopened(self) -> int:
        """How many endpoints could not be opened."""
        return len(self._failed)

    @property
    def reasons(self) -> Sequence[str]:
        """Return what keeps the server from being ready, in words that tell nothing of it."""
        if self._all is None:
            return ["what is served is being read"]
        left, count = len(self._all) - self._tried, len(self._all)
        if left:
            return [f"{left} of {count} endpoints {'is' if left == 1 else 'are'} still opening"]
        return ["no endpoint can be opened"] if 0 < count == self.unopened else []

    def begin(self) -> None:
        """Open what is served, in the background from now on."""
        self._work = asyncio.create_task(self._open_all())

    async def close(self) -> None:
        """Open no more."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    async def _open_all(self) -> None:
        started, pause = time.monotonic(), PAUSE_SECONDS
        while self._all is None or self._failed:
            wanted = await self._wanted()
            for ref in wanted:
                await self._try(ref)
            if self._all is not None and not self._failed:
                count, seconds = len(self._all), time.monotonic() - started
                log.info("Ready: %d endpoints can answer, after %.1f s.", count, seconds)
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _wanted(self) -> Sequence[Ref]:
        """Return what is to be opened now: all at first, then what could not be."""
        try:
            served = await asyncio.to_thread(self._house.served)
        except Exception as error:  # the store; whoever asks is told by the next look at it
            log.warning("What is served cannot be read: %s", type(error).__name__)
            return ()
        if self._all is None:
            self._all = served
            return served
        known = {ref.path: ref for ref in served}
        self._failed = {path: why for path, why in self._failed.items() if path in known}
        return [known[path] for path in self._failed]

    async def _try(self, ref: Ref) -> None:
        first = self._tried < len(self._all or ())
        try:
            opened = await self._house.prepare(ref)
        except Exception as error:  # whatever it is, requests for others are answered
            why = str(error.__cause__ or error) if isinstance(error, InhouseError) else ""
            said = why or type(error).__name__
            if self._failed.get(ref.path) != said:
                log.error("%s cannot answer: %s", ref.path, said)
            self._failed[ref.path] = said
        else:
            if self._failed.pop(ref.path, None):
                log.info("%s can answer now.", ref.path)
            if not opened:
                log.info("%s is opened when it is asked for: serve.memory is full.", ref.path)
        self._tried += first
