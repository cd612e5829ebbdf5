"""Several processes on one socket: starts them, starts anew what has died, and ends them all.

Each is a program of its own, started as from a shell, so nothing is shared but the socket and the
store. A worker says on its standard output that it answers, and ends when its standard input does:
so none outlives whoever looks after it. What a worker does besides is its own business.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from inhouse.core.errors import BadInput, InhouseError
from inhouse.serve.server import GRACE_SECONDS

log = logging.getLogger(__name__)

READY = b"ready\n"
LOOK_SECONDS = 0.05
PAUSE_SECONDS = 0.25
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 10.0
START_SECONDS = 120.0
TRIES = 5
LATE_SECONDS = 5.0


class NoWorkers(InhouseError):
    """No worker of a server stays up."""

    code = "no_workers"

    def __init__(self, ended: str) -> None:
        super().__init__(f"A worker {ended} before it answered.", "Its last words stand above.")


class Worker:
    """One of the processes, and all that come after it in its place."""

    def __init__(self, number: int, command: Sequence[str], listener: int) -> None:
        self._number = number
        self._command = command
        self._listener = listener
        self._failures = 0
        self._next: float | None = None
        self.answers = False
        self.start()

    def start(self) -> None:
        """Start a process."""
        self._next, self._said, self.answers = None, b"", False
        self._started = time.monotonic()
        self.process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # a Ctrl-C reaches it by who looks after it, and only so
            pass_fds=[self._listener],
        )
        assert self.process.stdout
        os.set_blocking(self.process.stdout.fileno(), False)
        log.info("Worker %d is process %d.", self._number, self.process.pid)

    def look(self, now: float) -> str | None:
        """Say how it ended, if it did; start it anew when its pause is over."""
        if self._next is not None:
            if now >= self._next:
                self.start()
            return None
        if not self.answers:
            assert self.process.stdout
            self._said += self.process.stdout.read() or b""
            self.answers = READY in self._said
        if self.process.poll() is None:
            if self.answers or now - self._started < START_SECONDS:
                return None
            log.warning(
                "Worker %d (process %d) does not answer after %g s and is killed.",
                self._number, self.process.pid, START_SECONDS,
            )  # fmt: skip
            self.process.kill()
            self.process.wait()
        return self._ended(now)

    @property
    def failing(self) -> bool:
        """Whether it has failed again and again."""
        return self._failures >= TRIES

    def _ended(self, now: float) -> str:
        steady = self.answers and now - self._started > STEADY_SECONDS
        self._failures = 1 if steady else self._failures + 1
        pause = min(PAUSE_SECONDS * 2 ** (self._failures - 1), LONGEST_PAUSE)
        self._next, self.answers = now + pause, False
        self.close()
        code = self.process.returncode
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        log.warning(
            "Worker %d (process %d) %s; the next one starts in %.2g s.",
            self._number, self.process.pid, ended, pause,
        )  # fmt: skip
        return ended

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def stop(self, number: int) -> None:
        """Let the process finish what it has begun, and end, as a signal has it."""
        self.process.send_signal(number)

    def end(self) -> None:
        """Take note of its end, or force it."""
        if self.alive:
            log.warning("Worker %d did not end in time and is killed.", self._number)
            self.process.kill()
            self.process.wait()
        self.close()

    def close(self) -> None:
        """Close the pipes."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()


def supervise(
    listener: socket.socket,
    command: Sequence[str],
    *,
    workers: int,
    ready: Callable[[], None],
    drain_seconds: float = 0.0,
) -> None:
    """Keep up some workers on a socket that listens, until SIGTERM or SIGINT.

    `command` starts one; the number of the socket's file is added to it. `ready` is called once all
    of them answer. In the end each gets the signals that came; it has the `drain_seconds` for which
    it goes on answering, and then `GRACE_SECONDS` to finish what it has begun.

    Raises:
        NoWorkers: one could not start at first, or all have failed again and again.
        BadInput: this system cannot do it.
    """
    if sys.platform == "win32":
        raise BadInput(
            "Several workers share one socket, which Windows does not let them do.",
            "Leave --workers out: one worker answers many requests at once.",
        )
    number = listener.fileno()
    with _asked_to_stop() as stop:
        crew = [Worker(i, [*command, str(number)], number) for i in range(1, workers + 1)]
        try:
            _look_after(crew, stop, ready)
        finally:
            listener.close()  # so that nobody connects who would not be answered
            _end(crew, stop, drain_seconds + GRACE_SECONDS + LATE_SECONDS)


def _look_after(crew: Sequence[Worker], stop: list[int], ready: Callable[[], None]) -> None:
    announced = False
    while not stop:
        now = time.monotonic()
        ended = [how for worker in crew if (how := worker.look(now))]
        if ended and (not announced or all(worker.failing for worker in crew)):
            raise NoWorkers(ended[0])
        if not announced and all(worker.answers for worker in crew):
            announced = True
            ready()
        time.sleep(LOOK_SECONDS)


def _end(crew: Sequence[Worker], stop: list[int], seconds: float) -> None:
    until, passed_on = time.monotonic() + seconds, 0
    if not stop:  # nobody asked: it failed
        stop.append(signal.SIGTERM)
    while any(worker.alive for worker in crew) and time.monotonic() < until:
        for number in stop[passed_on:]:
            for worker in crew:
                worker.stop(number)
            passed_on += 1
        time.sleep(LOOK_SECONDS)
    for worker in crew:
        worker.end()


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """Give the signals that have come, which do nothing else meanwhile."""
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say_ready() -> None:
    """Tell whoever started this worker that it answers; what it prints from now on is log."""
    os.write(1, READY)
    os.dup2(2, 1)


def end_with_parent() -> None:
    """End this worker in good order as soon as whoever started it is gone."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGINT)  # which lets it answer nobody new, as SIGTERM may
        time.sleep(GRACE_SECONDS + LATE_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)  # SIGINT came too early, and was ignored

    threading.Thread(target=watch, name="parent", daemon=True).start()
