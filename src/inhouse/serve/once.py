"""Work whose result several answers to one request need: the first does it, the others wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Once:
    """The results of one request, by what they are of. It lives on the event loop."""

    def __init__(self) -> None:
        self._done: dict[object, asyncio.Future[Any]] = {}

    async def __call__(self, of: object, work: Callable[[], Awaitable[T]]) -> T:
        """Return what the work gives, which is done once; if it fails, it does for all."""
        if of in self._done:
            found: T = await asyncio.shield(self._done[of])
            return found
        done = self._done[of] = asyncio.get_running_loop().create_future()
        try:
            result = await work()
        except Exception as error:
            done.set_exception(error)
            done.exception()  # perhaps nobody else waits
            raise
        except BaseException:
            done.cancel()
            raise
        done.set_result(result)
        return result
