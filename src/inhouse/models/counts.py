"""Counts what an engine does, for its `Stats`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from inhouse.models.engine import Stats


class Counts:
    """The counts of one engine; `cache`, `batch` and `cached` are what it last said of them."""

    def __init__(self) -> None:
        self.cache: float | None = None
        self.batch: int | None = None
        self.cached: int | None = None
        self._open: dict[object, int] = {}
        self._requests = 0
        self._read = 0
        self._written = 0

    @contextmanager
    def request(self, tokens: int) -> Iterator[Callable[[], None]]:
        """Count a request while it is open; call what is given for each token that comes."""
        mark = object()
        self._open[mark] = 0
        self._requests += 1
        self._read += tokens

        def count() -> None:
            self._open[mark] += 1
            self._written += 1

        try:
            yield count
        finally:
            del self._open[mark]

    def stats(self) -> Stats:
        """Return the counts as they are now."""
        waiting = sum(1 for tokens in self._open.values() if not tokens)
        running = len(self._open) - waiting
        batch = self.batch if self._open or self.batch is None else 0
        done = (self._requests, self._read, self._written)
        return Stats(running, waiting, *done, self.cache, batch, self.cached)
