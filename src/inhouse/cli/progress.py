"""Progress for long work: a bar on a terminal, now and then a line in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.markup import escape

from inhouse.cli.terminal import stderr

if TYPE_CHECKING:
    from inhouse.core.stage import Progress

QUIET_SECONDS = 10.0
TELLING_SECONDS = 2.0


class Shown(Protocol):
    """Where progress is shown."""

    def task(self, text: str) -> Progress:
        """Begin a piece of work; what is returned hears how far it is."""
        ...

    def say(self, text: str) -> None:
        """End the piece of work with a line that stays."""
        ...


@contextmanager
def shown(*, quiet: bool, brief: bool = False) -> Iterator[Shown]:
    """Show progress on standard error in the way that fits it; not at all if `quiet`.

    A log that is `brief` has no lines about work that begins.
    """
    if quiet:
        yield _Quiet()
    elif not sys.stderr.isatty():
        yield _Lines(brief)
    else:
        bars = _Bars()
        with bars.display:
            yield bars


class _Pace:
    """Says how far a piece of work is, and how long the rest of it will take."""

    def __init__(self) -> None:
        self._work: tuple[int, str] | None = None
        self._began, self._first = 0.0, 0

    def told(self, done: int, total: int, unit: str) -> str:
        """Return it in words; the time is that of the pace since the first time it was asked."""
        work = (total, unit.partition(",")[0])  # behind a comma stands how it goes
        if self._work != work:
            self._work, self._began, self._first = work, time.monotonic(), done
        count = f"{done:,}{f' of {total:,}' if total else ''} {unit}"
        seconds = time.monotonic() - self._began
        if not self._first < done < total or seconds < TELLING_SECONDS:
            return count
        left = seconds * (total - done) / (done - self._first)
        return f"{count}, {f'{left / 60:.0f} min' if left >= 90 else f'{left:.0f} s'} left"


class _Quiet:
    """Shows nothing."""

    def task(self, text: str) -> Progress:
        """Return a progress that goes nowhere."""
        return lambda done, total, unit: None

    def say(self, text: str) -> None:
        """Say nothing."""


class _Lines:
    """Says a line for each task and now and then how far it is; a `brief` one only the latter."""

    def __init__(self, brief: bool) -> None:
        self._brief = brief

    def task(self, text: str) -> Progress:
        """Say what begins; what is returned says how far it is."""
        if not self._brief:
            stderr.print(escape(text))
        last, pace = time.monotonic(), _Pace()

        def progress(done: int, total: int, unit: str) -> None:
            nonlocal last
            told = pace.told(done, total, unit)
            if time.monotonic() - last > QUIET_SECONDS:
                last = time.monotonic()
                stderr.print(f"  {told}")

        return progress

    def say(self, text: str) -> None:
        """Say a line."""
        stderr.print(escape(text))


class _Bars:
    """Draws a bar for each task, on a terminal."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self.display = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            console=stderr,
            transient=True,
        )

    def task(self, text: str) -> Progress:
        """Begin a bar; what is returned moves it."""
        task, pace = self.display.add_task(escape(text), total=None, count=""), _Pace()

        def progress(done: int, total: int, unit: str) -> None:
            count = pace.told(done, total, unit)
            self.display.update(task, completed=done, total=total or None, count=count)

        return progress

    def say(self, text: str) -> None:
        """Take the bars away and say a line in their place."""
        for task in self.display.task_ids:
            self.display.remove_task(task)
        stderr.print(escape(text))
