"""The file of a suite: a JSON object a line, each with the place that errors name.

What an object must hold is the business of the suite's kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from inhouse.core.errors import BadInput

FILE = "questions.jsonl"


def rows(folder: Path, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place, ``FILE:LINE``, and the object of each line that is not blank.

    Raises:
        BadInput: a line is no JSON object, or there is none.
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
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        why = f"{error.msg} at column {error.colno}"
        raise BadInput(f"{place}: this is not JSON: {why}.", "Mend the line.") from None
    if not isinstance(value, dict):
        raise BadInput(f"{place}: this is no JSON object.", 'Write {"query": …, …}.')
    return value
