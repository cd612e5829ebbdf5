"""Judges rows in processes apart, one for each core: for steps that Python itself works in.

Threads of one process would take turns there. What such a process does is said in `worker`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from queue import LifoQueue
from typing import Self

from inhouse.core.errors import InhouseError
from inhouse.data.recipe import Step
from inhouse.data.step import Batch, Given, RowStep, Verdict
from inhouse.data.worker import receive, send, verdict_of

FEW = 2**19
"""So many bytes of rows are judged here: to start a process takes as long."""
SLICE = 2**18
"""So many characters of a batch go to a process at a time, or one row that has more."""
PATIENCE = 5.0
"""Seconds that a process has to end by itself."""


class Apart:
    """A step whose rows are judged by processes; they start when there are rows for them.

    Args:
        step: what they do; it refers to nothing else.
        judge: the step as it was started here.
        given: what it was started with.
        processes: how many at most.
    """

    def __init__(self, step: Step, judge: RowStep, given: Given, processes: int) -> None:
        self._step, self._judge, self._given = step, judge, given
        self._came, self._counting = 0, threading.Lock()
        self._free: LifoQueue[_Process | None] = LifoQueue()
        for _ in range(processes):
            self._free.put(None)
        self._threads = ThreadPoolExecutor(processes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        while not self._free.empty():
            if process := self._free.get():
                process.close()

    def judge(self, batch: Batch) -> Verdict:
        """Say what becomes of a batch."""
        with self._counting:
            self._came += batch.rows.nbytes
            few = self._came <= FEW
        if few:
            return self._judge.judge(batch)
        parts = list(_slices(batch))
        return _joined(parts, list(self._threads.map(self._judged, parts)))

    def _judged(self, part: Batch) -> Verdict:
        process = self._free.get()
        try:
            process = process or _Process(self._step, self._given)
            return process.judge(part)
        finally:
            self._free.put(process)


class _Process:
    """One process, which is asked by one thread at a time."""

    def __init__(self, step: Step, given: Given) -> None:
        self._name = step.name
        command = [sys.executable, "-P", "-m", "inhouse.data.worker"]
        self._program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._program.stdin
        with suppress(BrokenPipeError):  # it is told when the first answer is missing
            folder = str(given.folder.resolve())
            told = {"step": step.plain, "seed": given.seed, "folder": folder}
            send(self._program.stdin, told)

    def judge(self, batch: Batch) -> Verdict:
        """Have rows judged.

        Raises:
            InhouseError: the process has ended.
        """
        assert self._program.stdin and self._program.stdout
        answer = None
        with suppress(BrokenPipeError):
            send(self._program.stdin, {"kind": batch.kind}, batch.rows)
            answer = receive(self._program.stdout)
        if answer is None:
            raise InhouseError(
                f"A process that does the step {self._name!r} {self._end()}.",
                "Run it again: it goes on with the batches that are missing.",
            )
        return verdict_of(answer)

    def close(self) -> None:
        """End it."""
        assert self._program.stdin and self._program.stdout
        with suppress(OSError):
            self._program.stdin.close()
        try:
            self._program.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._program.kill()
            self._program.wait()
        self._program.stdout.close()

    def _end(self) -> str:
        """Say how it ended."""
        code = self._program.wait()
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"has ended with status {code}"


def _slices(batch: Batch) -> Iterator[Batch]:
    """Yield a batch in parts of about as many characters."""
    import numpy as np
    import pyarrow.compute as pc

    sizes = pc.binary_length(batch.texts).to_numpy(zero_copy_only=False)
    which = np.cumsum(sizes) // SLICE
    begins = [0, *(np.flatnonzero(np.diff(which)) + 1).tolist(), len(batch)]
    for begin, end in pairwise(begins):
        yield replace(batch, rows=batch.rows.slice(begin, end - begin))


def _joined(parts: Sequence[Batch], verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict on a batch from those on its parts."""
    import pyarrow as pa

    dropped, flagged, tables, first = [], [], [], 0
    for part, verdict in zip(parts, verdicts, strict=True):
        dropped += [replace(note, row=note.row + first) for note in verdict.dropped]
        flagged += [replace(note, row=note.row + first) for note in verdict.flagged]
        tables.append(part.rows if verdict.rows is None else verdict.rows)
        first += len(part)
    changed = any(verdict.rows is not None for verdict in verdicts)
    return Verdict(dropped, flagged, pa.concat_tables(tables).combine_chunks() if changed else None)
