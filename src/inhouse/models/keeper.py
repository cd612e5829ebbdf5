"""Runs another program and ends it when its own standard input ends: its starter is gone then.

That holds however the starter went, killed outright too. Where the system can do it, the program
also ends with this process. It writes the number of the program's process, as its first line, and
passes on how the program ended.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial

GRACE_SECONDS = 5
FIRST_LINE = b"The program is process %d.\n"
PARENT_DEATH_SIGNAL = 1
"""Linux's number for the request to be told when the parent ends."""


def main() -> int:
    """Run the program that the arguments name; return how it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the starter decides when to stop
    program = subprocess.Popen(
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=partial(_end_with_parent, os.getpid()) if sys.platform == "linux" else None,  # noqa: PLW1509
    )
    with suppress(OSError):  # nobody reads
        os.write(1, FIRST_LINE % program.pid)
    # Begun after the program: a thread would make it unsafe to run code between fork and exec.
    threading.Thread(target=_watch, args=(program,), daemon=True).start()
    status = program.wait()
    _signal_all(program, stop=False)
    return status if status >= 0 else 128 - status


def _watch(program: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):
        pass
    _signal_all(program, stop=True)
    try:
        program.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        _signal_all(program, stop=False)


def _signal_all(program: subprocess.Popen[bytes], *, stop: bool) -> None:
    """Ask the program and all that it started to stop, or end them."""
    try:
        if os.name == "posix":
            os.killpg(program.pid, signal.SIGTERM if stop else signal.SIGKILL)
        elif stop:
            program.terminate()
        else:
            program.kill()
    except OSError:  # nobody is left
        return


def _end_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was gone before that was asked for
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
