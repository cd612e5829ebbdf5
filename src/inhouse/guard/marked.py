"""Texts with marked personal data, as they are read from files.

One text a line, as JSON: ``{"text": "I am Ana", "spans": [{"start": 5, "end": 8, "type":
"person"}]}``, characters counted from zero.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inhouse.core.errors import BadInput
from inhouse.guard.writing import Marked


def read_marked(file: Path) -> list[Marked]:
    """Read the marked texts of a file.

    Raises:
        BadInput: a line is something else, or a span lies outside its text.
    """
    with file.open(encoding="utf-8") as lines:
        return [_marked(line, f"{file}:{n}") for n, line in enumerate(lines, 1) if line.strip()]


def _marked(line: str, place: str) -> Marked:
    try:
        row: dict[str, Any] = json.loads(line)
        text = row["text"]
        spans = tuple((int(s["start"]), int(s["end"]), str(s["type"])) for s in row["spans"])
        wrong = not isinstance(text, str) or any(
            not 0 <= start < end <= len(text) or len(kind.split()) != 1
            for start, end, kind in spans
        )
    except (ValueError, KeyError, TypeError):
        wrong = True
    if wrong:
        raise BadInput(
            f"{place} is no text with marked spans.",
            'Write {"text": "I am Ana", "spans": [{"start": 5, "end": 8, "type": "person"}]}.',
        )
    return Marked(text, spans)
