"""What keys with limits have spent: one small file that all processes over a store share.

A key's counts lie at its number, so nothing is searched. Whoever changes them holds a lock on just
these bytes, and each request under way holds one more: the system takes locks away from a process
that is killed, so no count can be left behind. Which key may ask what is not decided here.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inhouse.catalog.blobs import disk_errors
from inhouse.catalog.key import Key

try:
    import fcntl
except ImportError:  # Windows, where one process serves a store
    fcntl = None  # type: ignore[assignment]

COUNTS = struct.Struct("<QdQQQ")  # the key's id, its arrival time, a day, its requests and tokens
READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)
SIZE = 64
HELD = 2**40  # where the bytes lie that stand for requests under way; the file never gets there
PLACES = 2**16
MINUTE_SECONDS = 60.0
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether a request may go on; if not, what there was too much of, and for how long.

    `requests` and `tokens` are what was spent today, this request among them; `ahead` is how many
    seconds of its allowance of requests a key has used up.
    """

    refused: Literal["requests", "tokens"] | None
    wait: float
    requests: int
    tokens: int
    ahead: float


class Spending:
    """The counts of one store. Made where they are needed; a key without limits has none."""

    def __init__(self, root: Path) -> None:
        self._path = root / "spending.bin"
        self._fd: int | None = None
        self._held: dict[int, set[int]] = {}

    def take(self, key: Key, now: float, *, requests: int = 1) -> Taken:
        """Count a request, or several at once, unless one of the key's limits forbids it.

        Requests a minute are counted by arrival time (GCRA, ITU-T I.371): all of a minute may come
        at once, then one after each part of it.

        Raises:
            StoreError: the file cannot be written.
        """
        rate = key.limits.requests_per_minute
        each = MINUTE_SECONDS / rate if rate else 0.0
        with self._counts(key, now) as counts:
            # A clock that was set back may not close a key for longer than a minute.
            due = counts.due = max(min(counts.due, now + MINUTE_SECONDS), now)
            budget = key.limits.tokens_per_day
            if budget is not None and counts.tokens >= budget:
                wait = DAY_SECONDS - now % DAY_SECONDS
                return Taken("tokens", wait, counts.requests, counts.tokens, due - now)
            over = due + each * requests - now - MINUTE_SECONDS
            if each and over > 1e-6:  # times since 1970 have no more digits
                return Taken("requests", over, counts.requests, counts.tokens, due - now)
            counts.due = due + each * requests
            counts.requests += requests
            return Taken(None, 0.0, counts.requests, counts.tokens, counts.due - now)

    def spend(self, key: Key, tokens: int, now: float) -> None:
        """Count tokens.

        Raises:
            StoreError: the file cannot be written.
        """
        with self._counts(key, now) as counts:
            counts.tokens += tokens

    def today(self, key: Key, now: float) -> tuple[int, int]:
        """Return how many requests and tokens were spent today, in UTC; nothing is written."""
        taken = self.look(key, now)
        return taken.requests, taken.tokens

    def look(self, key: Key, now: float) -> Taken:
        """Return what a key has spent, without a request more; nothing is written."""
        if not key.number:
            return Taken(None, 0.0, 0, 0, 0.0)
        try:
            # To close the file a second time would free the places that this process holds.
            file = os.open(self._path, READ) if self._fd is None else self._fd
            try:
                os.lseek(file, key.number * SIZE, os.SEEK_SET)
                counts = _Counts.read(os.read(file, COUNTS.size), key, now)
            finally:
                if file != self._fd:
                    os.close(file)
        except OSError:
            return Taken(None, 0.0, 0, 0, 0.0)
        ahead = min(max(counts.due - now, 0.0), MINUTE_SECONDS)
        return Taken(None, 0.0, counts.requests, counts.tokens, ahead)

    def hold(self, key: Key) -> int | None:
        """Take a place among the requests of a key that are under way; None if there is none.

        Raises:
            StoreError: the file cannot be opened.
        """
        mine = self._held.setdefault(key.number, set())
        most = key.limits.concurrent or PLACES
        if len(mine) >= most:
            return None
        start = os.getpid() % most  # so that processes do not all try the same places first
        for place in range(start, start + most):
            if place % most not in mine and self._lock(HELD, key, place % most):
                mine.add(place % most)
                return place % most
        return None

    def let_go(self, key: Key, place: int) -> None:
        """Give a place back."""
        held = self._held.get(key.number)
        if held is None:
            return  # all places were given back at the close
        held.discard(place)
        if fcntl and self._fd is not None:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, HELD + key.number * PLACES + place)

    def close(self) -> None:
        """Close the file, and give all places back."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        self._held.clear()

    def _lock(self, base: int, key: Key, place: int) -> bool:
        if not fcntl:
            return True
        try:
            wanted = fcntl.LOCK_EX | fcntl.LOCK_NB
            fcntl.lockf(self._opened(), wanted, 1, base + key.number * PLACES + place)
        except (BlockingIOError, PermissionError):
            return False
        return True

    @contextmanager
    def _counts(self, key: Key, now: float) -> Iterator[_Counts]:
        """Give the counts of a key, which nobody else changes meanwhile; write what was changed."""
        file, at = self._opened(), key.number * SIZE
        with disk_errors(self._path.parent):
            if fcntl:
                fcntl.lockf(file, fcntl.LOCK_EX, 1, at)
            try:
                os.lseek(file, at, os.SEEK_SET)
                before = os.read(file, COUNTS.size)
                counts = _Counts.read(before, key, now)
                yield counts
                after = COUNTS.pack(
                    int(key.id, 16), counts.due, counts.day, counts.requests, counts.tokens
                )
                if after != before:
                    os.lseek(file, at, os.SEEK_SET)
                    os.write(file, after)
            finally:
                if fcntl:
                    fcntl.lockf(file, fcntl.LOCK_UN, 1, at)

    def _opened(self) -> int:
        if self._fd is None:
            with disk_errors(self._path.parent):
                flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
                self._fd = os.open(self._path, flags, 0o600)
        return self._fd


@dataclass(slots=True)
class _Counts:
    """The counts of a key on the day of `now`: when its next request is due, and today's sums."""

    due: float
    day: int
    requests: int
    tokens: int

    @classmethod
    def read(cls, raw: bytes, key: Key, now: float) -> _Counts:
        day = int(now // DAY_SECONDS)
        with contextlib.suppress(struct.error):  # nothing was ever written there
            id, due, counted, requests, tokens = COUNTS.unpack(raw)
            if id == int(key.id, 16):
                return cls(due, day, *((requests, tokens) if counted == day else (0, 0)))
        return cls(0.0, day, 0, 0)
