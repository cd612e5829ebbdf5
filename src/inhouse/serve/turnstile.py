"""How many requests are answered at once at each endpoint, and how many may wait for their turn.

Who waits holds nothing: no engine, no thread, no lock. Whoever goes away leaves the line. All of
it runs on the event loop of one process.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from inhouse.core.errors import Overloaded

RETRY_SECONDS = 5.0


@dataclass(slots=True)
class _Room:
    inside: int = 0
    line: deque[asyncio.Future[None]] = field(default_factory=deque)


class Turnstile:
    """Lets so many in at once under each name, first come, first served."""

    def __init__(self, most: int = sys.maxsize, waiting: int = 0) -> None:
        self._most = most
        self._waiting = waiting
        self._rooms: dict[str, _Room] = {}

    def turn(self, name: str) -> Turn:
        """Return a turn under a name: to be waited for, held, and given back."""
        return Turn(self, name)

    def rooms(self) -> Sequence[tuple[str, int, int]]:
        """Return under which names somebody is in, how many are, and how many wait."""
        return [(name, room.inside, len(room.line)) for name, room in self._rooms.items()]

    async def enter(self, name: str) -> bool:
        """Go in when there is room; say whether that had to be waited for.

        Raises:
            Overloaded: as many wait already as may.
        """
        room = self._rooms.setdefault(name, _Room())
        if room.inside < self._most and not room.line:
            room.inside += 1
            return False
        if len(room.line) >= self._waiting:
            raise Overloaded(
                f"{room.inside} requests are being answered at {name}, and {len(room.line)} wait.",
                f"Ask again in {RETRY_SECONDS:g} seconds.",
                wait=RETRY_SECONDS,
            )
        turn = asyncio.get_running_loop().create_future()
        room.line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(name)  # it was given the turn in the same moment
            elif turn in room.line:  # else whoever left has passed it over already
                room.line.remove(turn)
            raise
        return True

    def leave(self, name: str) -> None:
        """Go out; whoever has waited longest goes in."""
        room = self._rooms[name]
        while room.line:
            turn = room.line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        room.inside -= 1
        if not room.inside:
            del self._rooms[name]


class Turn:
    """One way through a turnstile; entering it says whether that had to be waited for."""

    __slots__ = ("_name", "_turnstile")

    def __init__(self, turnstile: Turnstile, name: str) -> None:
        self._turnstile = turnstile
        self._name = name

    async def __aenter__(self) -> bool:
        return await self._turnstile.enter(self._name)

    async def __aexit__(self, *ended: object) -> None:
        self._turnstile.leave(self._name)
