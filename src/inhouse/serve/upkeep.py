"""Lets go of engines that nothing served needs, also where nobody asks any more.

Owners of engines are pinned references: an owner is stale as soon as its name means another
version, or none, and it is not tried beside that one. Closing is the engines' business, when the
last request on them has ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from inhouse.catalog import Catalog
from inhouse.catalog.lineage import Moment
from inhouse.core.artifact import Ref
from inhouse.core.errors import StoreError
from inhouse.serve.engines import Engines

log = logging.getLogger(__name__)

SECONDS = 2.0


class Upkeep:
    """Looks after the engines of a house from its first request on."""

    def __init__(self, catalog: Catalog, engines: Sequence[Engines[Any]]) -> None:
        self._catalog = catalog
        self._engines = engines
        self._looking: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Look every few seconds from now on."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())

    def forget_others(self, ref: Ref) -> None:
        """Let go of what other versions of a name needed, unless they are served or tried."""
        others = [
            owner
            for owner in self._owners()
            if owner.startswith(f"{ref.path}@") and not owner.endswith(f"@{ref.version}")
        ]
        if others:
            self._forget(_stale(others, self._catalog.lineage.latest))

    async def close(self) -> None:
        """Look no more, and close all engines. Nobody may hold one any more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
            self._looking = None
        for engines in self._engines:
            await engines.close()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(SECONDS)
            try:
                self._forget(await asyncio.to_thread(self._stale, self._owners()))
            except StoreError as error:  # requests are told as well; the next look may succeed
                log.warning("Engines that are not needed stay open: %s", error)

    def _owners(self) -> set[str]:
        return {owner for engines in self._engines for owner in engines.owners}

    def _stale(self, owners: Iterable[str]) -> Sequence[str]:
        return _stale(owners, self._catalog.lineage.now())

    def _forget(self, owners: Iterable[str]) -> None:
        for owner in owners:
            for engines in self._engines:
                engines.forget(owner)


def _stale(owners: Iterable[str], now: Moment) -> Sequence[str]:
    found = []
    for owner in owners:
        ref = Ref.parse(owner)
        name = Ref(ref.section, ref.name)
        state, trial = now.state(name), now.trial(name)
        served = state is not None and state.version == ref.version
        tried = state is not None and trial is not None and trial.ref == ref
        if not served and not tried:
            found.append(owner)
    return found
