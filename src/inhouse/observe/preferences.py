"""Feedback as preferences to learn from: a row for each answer that somebody called good or bad.

Whose feedback may be read is decided in `inhouse.observe.traces`, and what the rows become when
they are read is the business of the room `data`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inhouse.core.errors import BadInput
from inhouse.core.label import Label
from inhouse.core.nouns import Feedback, Trace


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows were written, and the label of all the answers that they hold."""

    rows: int
    label: Label


def write_preferences(
    file: Path, traces: Sequence[Trace], said: Mapping[str, Sequence[Feedback]]
) -> Written:
    """Write what was said of the answers of traces, as JSON lines: prompt, answer, good.

    A correction is an answer as well, and a good one. `said` is by the ids of traces; of those that
    hold no conversation nothing is written.

    Raises:
        BadInput: the file is there already.
    """
    rows: list[dict[str, Any]] = []
    labels = []
    for trace in traces:
        found = list(_rows(trace, said.get(trace.id, ())))
        rows += found
        labels += [trace.label] * bool(found)
    try:
        with file.open("x", encoding="utf-8") as out:
            out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    except FileExistsError as error:
        raise BadInput(f"{file} is there already.", "Name another file.") from error
    return Written(len(rows), Label.joined(labels))


def _rows(trace: Trace, said: Sequence[Feedback]) -> Iterator[dict[str, Any]]:
    prompt = trace.request.get("messages")
    if not prompt:
        return
    for one in said:
        if trace.answer:
            yield {"prompt": prompt, "answer": trace.answer, "good": one.score > 0}
        if one.correction:
            yield {"prompt": prompt, "answer": one.correction, "good": True}
