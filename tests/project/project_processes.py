"""Programs that run on beside a test, and the lines that they say."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from small_project import PROGRAM, environment


class Running:
    """A program and the lines that it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: queue.Queue[str] = queue.Queue()
        self.reading = threading.Thread(target=self._read, daemon=True)
        self.reading.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def until(self, words: str) -> str:
        """Return the next line that has these words."""
        heard: list[str] = []
        while not heard or words not in heard[-1]:
            try:
                heard.append(self.lines.get(timeout=60))
            except queue.Empty:
                raise AssertionError(f"{words!r} is not in {heard}") from None
        return heard[-1]

    def sync(self) -> dict:
        """Return the next object, for a program that was started with --json."""
        return json.loads(self.lines.get(timeout=60))


@contextmanager
def started(*words: str, cwd: Path, **more: str) -> Iterator[Running]:
    process = subprocess.Popen(
        [*PROGRAM, *words], cwd=cwd, env=environment(PYTHONUNBUFFERED="1", **more),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
    )  # fmt: skip
    try:
        yield Running(process)
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()
