"""Drops rows that hold what a suite or another data set asks about, so that a test stays a test.

A row goes if it shares a run of words with a text of theirs. A text of fewer words counts if all
of it stands in the row, and not at all if it is shorter than the shortest that says something.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput
from inhouse.data.settings import read_settings
from inhouse.data.step import Batch, Given, Note, Verdict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CODE = 2
NEEDS: tuple[str, ...] = ("numba",)
SECTIONS = ("suites/", "data/")
QUESTIONS = "questions.jsonl"


@dataclass(frozen=True, slots=True)
class Decontaminate:
    """Suites and data sets, as ``suites/NAME`` and ``data/NAME``; how long a shared run must be."""

    against: tuple[str, ...] = field(metadata={"refs": True})
    words: int = field(default=13, metadata={"least": 3, "most": 100})
    shortest: int = field(default=8, metadata={"least": 1})


def read(value: object) -> Decontaminate:
    """Return the settings of ``{decontaminate: [suites/desk]}`` or of a mapping.

    Raises:
        BadInput: nothing is named, or something that is neither a suite nor a data set.
    """
    if value is None:
        raise BadInput("it does not say against what.", "Write such as {decontaminate: suites/x}.")
    found = read_settings(Decontaminate, value, main="against")
    for ref in found.against:
        if not ref.startswith(SECTIONS):
            raise BadInput(f"{ref!r} is no suite and no data set.", "Write such as suites/desk.")
    return found


def start(settings: Decontaminate, given: Given) -> Clean:
    """Make the step ready for work."""
    return Clean(settings, given)


class Clean:
    """Knows the runs of words of what is to stay a test."""

    def __init__(self, settings: Decontaminate, given: Given) -> None:
        self._settings = settings
        self._wanted = {ref: self._runs(given.inputs[ref]) for ref in settings.against}

    def judge(self, batch: Batch) -> Verdict:
        """Drop rows with a shared run; the value is how many they share, the limit its length."""
        import numpy as np

        notes: dict[int, Note] = {}
        lengths = {length for runs in self._wanted.values() for length in runs}
        for length in sorted(lengths, reverse=True):
            found, places = _shingles(batch, length)
            for ref, runs in self._wanted.items():
                if length not in runs or not len(found):
                    continue
                shared = np.concatenate(([0], np.cumsum(np.isin(found, runs[length]))))
                counts = shared[places[1:]] - shared[places[:-1]]
                for row in np.nonzero(counts)[0].tolist():
                    note = Note(row, f"in {ref}", str(counts[row]), f"{length} words")
                    notes.setdefault(row, note)
        return Verdict([notes[row] for row in sorted(notes)])

    def _runs(self, given: Input) -> Mapping[int, npt.NDArray[np.uint64]]:
        """Return the runs of the texts of a suite or data set, by how many words they have."""
        import numpy as np
        import pyarrow as pa

        from inhouse.catalog.rows import schema

        by_length: dict[int, list[str]] = {}
        for text in _texts(given):
            length = min(_count(text), self._settings.words)
            if length >= self._settings.shortest:
                by_length.setdefault(length, []).append(text)
        runs = {}
        for length, many in by_length.items():
            rows = [{field.name: "" for field in schema("examples")} | {"text": t} for t in many]
            batch = Batch("examples", pa.Table.from_pylist(rows, schema("examples")))
            runs[length] = np.unique(_shingles(batch, length)[0])
        return runs


def _shingles(batch: Batch, words: int) -> tuple[Any, Any]:
    """Return the runs of words in texts, uint64, and where those of each begin."""
    import numpy as np

    from inhouse.data.buffers import buffers
    from inhouse.data.kernels.shingles import folded, shingles

    data, offsets = buffers(batch.texts)
    found, places = shingles(data, offsets, words, folded(), np.empty(0, np.uint64))
    return found, places


def _count(text: str) -> int:
    """Return how many words a text has, as they are counted in runs."""
    from inhouse.data.kernels.shingles import folded

    plain = folded()
    parted = "".join(c if ord(c) >= len(plain) or plain[ord(c)] else " " for c in text)
    return len(parted.split())


def _texts(given: Input) -> Iterator[str]:
    """Yield the texts of a suite or a data set."""
    from inhouse.catalog.rows import RowReader

    file = given.folder / QUESTIONS
    if file.exists():
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if line.strip():
                    yield from _strings(json.loads(line))
        return
    with RowReader(given.folder) as reader:
        for table in reader.all():
            yield from Batch(reader.kind, table).texts.to_pylist()


def _strings(value: object) -> Iterator[str]:
    """Yield all texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
