"""Keeps so many rows, chosen by the hash of what they say: chance that is the same each time.

Of examples each label keeps its share.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from inhouse.core.errors import BadInput
from inhouse.data.settings import read_settings
from inhouse.data.step import Batch, Given, Note, Seen, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

CODE = 3
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
    """Remembers a number for each row, and keeps those with the smallest; of examples, by label."""

    def __init__(self, settings: Sample) -> None:
        self._settings = settings

    def look(self, batch: Batch) -> pa.Table:
        """Return the number of each row, and its label."""
        import pyarrow as pa

        return pa.table(
            {"place": pa.array(self._places(batch), pa.uint64()), "label": _labels(batch)}
        )

    def decide(self, seen: Seen) -> Chosen:
        """Return what keeps the rows whose numbers are small enough."""
        labels = Counter(label for table in seen for label in table.column("label").to_pylist())
        wanted = quotas(labels, self._settings.rows)
        return Chosen(self._places, _last(seen, wanted), wanted)

    def _places(self, batch: Batch) -> list[int]:
        """Return a number for each row that its text gives, and its id among the same texts.

        An id that a row was given here is another one in each store.
        """
        key = str(self._settings.seed).encode()

        def digest(said: str, size: int) -> bytes:
            return blake2b(said.encode(), digest_size=size, key=key).digest()

        rows = zip(batch.texts.to_pylist(), batch.ids, strict=True)
        return [int.from_bytes(digest(text, 6) + digest(id, 2), "big") for text, id in rows]


class Chosen:
    """Keeps the rows whose numbers are small enough among those of their label."""

    def __init__(
        self,
        places: Callable[[Batch], list[int]],
        last: Mapping[str, int],
        wanted: Mapping[str, int],
    ) -> None:
        self._places, self._last, self._wanted = places, last, wanted

    def judge(self, batch: Batch) -> Verdict:
        """Drop the rows that were not drawn."""
        rows = enumerate(zip(self._places(batch), _labels(batch).to_pylist(), strict=True))
        return Verdict(
            [
                Note(row, "not drawn", limit=str(self._wanted[label]))
                for row, (place, label) in rows
                if place > self._last[label]
            ]
        )


def quotas(there: Mapping[str, int], rows: int) -> dict[str, int]:
    """Return how many of each label to keep: its share, and one at least if there is room.

    Shares are rounded so that they make up `rows` (Sainte-Laguë: each next row goes to the label
    that has least of what it should).
    """
    total = sum(there.values())
    if rows >= total:
        return dict(there)
    found = dict.fromkeys(there, 1 if rows >= len(there) else 0)
    waiting = [((2 * found[label] + 1) / count, label) for label, count in there.items()]
    heapq.heapify(waiting)
    for _ in range(rows - sum(found.values())):
        _, label = heapq.heappop(waiting)
        found[label] += 1
        if found[label] < there[label]:
            heapq.heappush(waiting, ((2 * found[label] + 1) / there[label], label))
    return found


def _last(seen: Seen, wanted: Mapping[str, int]) -> dict[str, int]:
    """Return, for each label, the largest of the smallest numbers that are wanted of it."""
    smallest: dict[str, list[int]] = {label: [] for label in wanted}  # heaps, largest first
    for table in seen:
        columns = (table.column(name).to_pylist() for name in ("place", "label"))
        for place, label in zip(*columns, strict=True):
            heap = smallest[label]
            if len(heap) < wanted[label]:
                heapq.heappush(heap, -place)
            elif heap:
                heapq.heappushpop(heap, -place)
    return {label: -heap[0] if heap else -1 for label, heap in smallest.items()}


def _labels(batch: Batch) -> pa.StringArray:
    """Return the labels of examples; rows of other kinds have none."""
    import pyarrow as pa

    if batch.kind == "examples":
        return batch.rows.column("label").combine_chunks()
    return pa.array([""] * len(batch), pa.string())
