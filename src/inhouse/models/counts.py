"""Counts what an engine does, for its `Stats`."""

from __future__ import annotations

from typing import Self

from inhouse.models.engine import Stats


class Counts:
    """The counts of one engine; `cache`, `batch` and `cached` are what it last said of them."""

    def __init__(self) -> None:
        self.cache: float | None = None
        self.batch: int | None = None
        self.cached: int | None = None
        self.open: set[Request] = set()
        self.requests = 0
        self.read = 0
        self.written = 0

    def request(self, tokens: int) -> Request:
        """Count a request, and what it reads, while a ``with`` block lasts."""
        self.requests += 1
        self.read += tokens
        return Request(self)

    def stats(self) -> Stats:
        """Return the counts as they are now."""
        waiting = sum(1 for request in self.open if not request.tokens)
        running = len(self.open) - waiting
        batch = self.batch if self.open or self.batch is None else 0
        done = (self.requests, self.read, self.written)
        return Stats(running, waiting, *done, self.cache, batch, self.cached)


class Request:
    """A request that is counted while it is open, and each token of its answer."""

    __slots__ = ("_counts", "tokens")

    def __init__(self, counts: Counts) -> None:
        self._counts, self.tokens = counts, 0

    def __call__(self) -> None:
        """Count a token."""
        self.tokens += 1
        self._counts.written += 1

    def __enter__(self) -> Self:
        self._counts.open.add(self)
        return self

    def __exit__(self, *ended: object) -> None:
        self._counts.open.discard(self)
