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
        last = time.monotonic()

        def progress(done: int, total: int, unit: str) -> None:
            nonlocal last
            if time.monotonic() - last > QUIET_SECONDS:
                last = time.monotonic()
                stderr.print(f"  {done:,}{f' of {total:,}' if total else ''} {unit}")

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
        task = self.display.add_task(escape(text), total=None, count="")

        def progress(done: int, total: int, unit: str) -> None:
            count = f"{done:,}{f' of {total:,}' if total else ''} {unit}"
            self.display.update(task, completed=done, total=total or None, count=count)

        return progress

    def say(self, text: str) -> None:
        """Take the bars away and say a line in their place."""
        for task in self.display.task_ids:
            self.display.remove_task(task)
        stderr.print(escape(text))
