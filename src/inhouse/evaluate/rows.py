"""The file of a suite: a JSON object a line, each with the place that errors name.

What an object must hold is the business of the suite's kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inhouse.core.errors import BadInput

FILE = "questions.jsonl"


def rows(folder: Path, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place, ``FILE:LINE``, and the object of each line that is not blank.

    Raises:
        BadInput: a line is no JSON object or holds half a character, or there is none.
    """
    name = name or FILE
    empty = True
    with (folder / FILE).open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                empty = False
                yield f"{name}:{number}", _object(line, f"{name}:{number}")
    if empty:
        raise BadInput(f"{name} holds no question.", "Write one a line, as a JSON object.")


def _object(line: bytes, place: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise BadInput(f"{place}: this is not JSON: {error}.", "Mend the line.") from None
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadInput(f"{place}: this holds half a character.", "Mend the line.") from None
    if not isinstance(value, dict):
        raise BadInput(f"{place}: this is no JSON object.", 'Write {"query": …, …}.')
    return value
