"""Lines of JSON that work adds to as it goes on, so that a run that was cut off repeats nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson


class Journal:
    """A file of lines; `lines` are those that an earlier run of the same work left, each whole."""

    def __init__(self, file: Path) -> None:
        self._file = file
        # In bytes: a kill may come within a letter, and a text may hold other ends of lines.
        whole = file.read_bytes().rpartition(b"\n")[0] if file.exists() else b""
        self.lines: list[Any] = [orjson.loads(line) for line in whole.split(b"\n") if line]
        if file.exists():
            os.truncate(file, len(whole) + bool(whole))

    def add(self, line: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        """Write a line."""
        with self._file.open("ab") as out:
            out.write(orjson.dumps(line) + b"\n")
