"""Keeps so many rows, chosen by the hash of their ids: chance that is the same each time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from inhouse.core.errors import BadInput
from inhouse.data.settings import read_settings
from inhouse.data.step import Batch, Given, Note, Seen, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

CODE = 1
NEEDS: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """How many rows to keep; `seed` chooses others."""

    rows: int = field(metadata={"least": 1})
    seed: int = 0


def read(value: object) -> Sample:
    """Return the settings of ``{sample: 1000}``."""
    if value is None:
        raise BadInput("it does not say how many rows.", "Write such as {sample: 1000}.")
    return read_settings(Sample, value, main="rows")


def start(settings: Sample, given: Given) -> Sampling:
    """Make the step ready for work."""
    return Sampling(settings)


class Sampling:
    """Remembers a number for each row, and keeps those with the smallest."""

    def __init__(self, settings: Sample) -> None:
        self._settings = settings

    def look(self, batch: Batch) -> pa.Table:
        """Return the number of each row."""
        import pyarrow as pa

        return pa.table({"place": pa.array(self._places(batch), pa.uint64())})

    def decide(self, seen: Seen) -> Chosen:
        """Return what keeps the rows whose numbers are small enough."""
        everything = (place for table in seen for place in table.column("place").to_pylist())
        last = max(heapq.nsmallest(self._settings.rows, everything), default=0)
        return Chosen(self._places, last, self._settings.rows)

    def _places(self, batch: Batch) -> list[int]:
        key = str(self._settings.seed).encode()
        return [
            int.from_bytes(blake2b(id.encode(), digest_size=8, key=key).digest(), "big")
            for id in batch.ids
        ]


class Chosen:
    """Keeps the rows whose numbers are small enough."""

    def __init__(self, places: Callable[[Batch], list[int]], last: int, rows: int) -> None:
        self._places, self._last, self._rows = places, last, rows

    def judge(self, batch: Batch) -> Verdict:
        """Drop the rows that were not drawn."""
        return Verdict(
            [
                Note(row, "not drawn", limit=str(self._rows))
                for row, place in enumerate(self._places(batch))
                if place > self._last
            ]
        )
