"""Whether somebody asked a run to stop, so that it ends with the step in hand and keeps it.

They ask by SIGINT or SIGTERM, or by a file where several processes train. A second signal ends it
at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

STOP = "stop"


class Stopping:
    """Hears signals while `heard`, and looks for a file at any time."""

    def __init__(self, file: Path | None = None, told: Callable[[], None] = lambda: None) -> None:
        """Take the file that asks as well, and who is told when the first signal comes."""
        self._file, self._told = file, told
        self._signalled = False

    @property
    def asked(self) -> bool:
        """Say whether the run is to stop."""
        return self._signalled or (self._file is not None and self._file.exists())

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear signals until the block ends; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._hear) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._signalled:
            raise KeyboardInterrupt
        self._signalled = True
        self._told()
