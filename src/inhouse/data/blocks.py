"""The blocks that Markdown is put together from, made of plain words that take no effect in it.

Which words of a file make which block is the business of its format.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

DEEPEST = 6

# What begins a block in Markdown when it stands at the start of a line.
CONTROL = re.compile(r"#{1,6}(\s|$)|>|[-+*](\s|$)|=+\s*$|-+\s*$|([-*_]\s*){3,}$|```|~~~|<|\||\[")
NUMBER = re.compile(r"\A(\d{1,9})([.)])(?=\s|$)")
INLINE_CONTROL = re.compile(r"([\\`*_\[\]<{#&])")
NOT_IN_ANCHOR = re.compile(r"[\s{}]")


def paragraph(text: str) -> str:
    """Return lines of words as a paragraph, its lines broken where they were."""
    return "\n".join(escaped(line) for line in text.split("\n") if line)


def escaped(line: str) -> str:
    """Return a line that begins no other block than a paragraph."""
    return "\\" + line if CONTROL.match(line) else NUMBER.sub(r"\1\\\2", line)


def heading(level: int, words: str, anchor: str = "") -> str:
    """Return a heading, or nothing without words; levels below 6 become 6.

    An anchor that holds a space or a brace cannot be written in Markdown and is left out.
    """
    if not words:
        return ""
    suffix = f" {{#{anchor}}}" if anchor and not NOT_IN_ANCHOR.search(anchor) else ""
    quoted = INLINE_CONTROL.sub(r"\\\1", words)
    return f"{'#' * min(level, DEEPEST)} {quoted}{suffix}"


def fenced(code: str, language: str = "") -> str:
    """Return a block of code, or nothing if there is none."""
    code = code.strip("\n").replace("\r", "")
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code}\n{fence}" if code.strip() else ""


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first row is its head; empty rows go, short ones are filled up."""
    rows = [[_cell(cell) for cell in row] for row in rows]
    rows = [row for row in rows if any(row)]
    width = max(map(len, rows), default=0)
    lines = ["| " + " | ".join([*row, *[""] * (width - len(row))]) + " |" for row in rows]
    return "\n".join((*lines[:1], "|" + " --- |" * width, *lines[1:])) if lines else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
