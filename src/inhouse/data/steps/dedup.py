"""Drops copies: rows whose text stood before, and those that say nearly the same as one that stays.

Of copies the first in the order of the data set stays. Unless chains are wanted, a row is dropped
only for a row that stays and is as alike as the limit asks, really compared and not only likely.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from inhouse.data.settings import read_settings
from inhouse.data.step import Batch, Given, Note, Seen, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

    from inhouse.data.word_runs import Banding, Remembered

CODE = 2
NEEDS: tuple[str, ...] = ("numba",)

Copied = dict[int, tuple[int, float]]
"""Row -> the row that it is a copy of, and how alike they are."""


@dataclass(frozen=True, slots=True)
class Dedup:
    """``exact`` drops the same texts; ``minhash`` those of at least that Jaccard similarity too.

    What is compared are runs of `words` words; candidates share one of `bands` bands of `hashes`
    MinHashes each. Numbers are compared as they are, or with ``fold`` any is as good as another.
    With `chains` a row that is alike to a copy goes too, though it may be less alike to the row
    that stays.
    """

    method: Literal["exact", "minhash"] = "minhash"
    similarity: float = field(default=0.7, metadata={"least": 0.1, "most": 1.0})
    words: int = field(default=5, metadata={"least": 1, "most": 20})
    bands: int = field(default=16, metadata={"least": 1, "most": 256})
    hashes: int = field(default=8, metadata={"least": 1, "most": 32})
    numbers: Literal["keep", "fold"] = "keep"
    chains: bool = False

    @property
    def banding(self) -> Banding:
        """How texts are compared."""
        from inhouse.data.word_runs import Banding

        bands = self.bands if self.method == "minhash" else 1
        return Banding(self.words, bands, self.hashes, self.numbers == "keep")


def read(value: object) -> Dedup:
    """Return the settings of ``dedup``, ``{dedup: exact}`` or ``{dedup: {similarity: 0.8}}``."""
    return read_settings(Dedup, value, main="method")


def start(settings: Dedup, given: Given) -> Copies:
    """Make the step ready for work."""
    return Copies(settings)


class Copies:
    """Remembers what rows are compared by, and finds the copies among them."""

    def __init__(self, settings: Dedup) -> None:
        self._settings = settings

    def look(self, batch: Batch) -> pa.Table:
        """Return what is to be remembered of rows."""
        from inhouse.data.word_runs import signed

        found = signed(batch, self._settings.banding)
        return found if self._settings.method == "minhash" else found.select(("id", "digest"))

    def decide(self, seen: Seen) -> Found:
        """Find the copies."""
        from inhouse.data.word_runs import Remembered

        rows = Remembered(seen)
        same, near = exact_copies(rows), Copied()
        if self._settings.method == "minhash":
            find = chained_copies if self._settings.chains else near_copies
            near = find(rows, self._settings, set(same))
        return Found(rows, same, near, self._settings)


def exact_copies(rows: Remembered) -> Copied:
    """Return the rows whose text stood before, each with the row that stays and 1.0."""
    first: dict[bytes, int] = {}
    found = ((row, first.setdefault(text, row)) for row, text in enumerate(rows.digests()))
    return {row: (kept, 1.0) for row, kept in found if kept != row}


def near_copies(rows: Remembered, settings: Dedup, gone: set[int]) -> Copied:
    """Return rows that are nearly one that stays, each with that row and how alike they are.

    Rows are asked in their order, and compared with those before them that stay and share a band.
    """
    staying: dict[int, list[int]] = defaultdict(list)
    found: Copied = {}
    for row, buckets in _candidates(rows, settings, gone):
        for other in sorted({other for bucket in buckets for other in staying[bucket]}):
            alike = rows.likeness(row, other)
            if alike >= settings.similarity:
                found[row] = other, alike
                break
        else:
            for bucket in buckets:
                staying[bucket].append(row)
    return found


def chained_copies(rows: Remembered, settings: Dedup, gone: set[int]) -> Copied:
    """Return all rows but the first of each cluster, each with one that it is nearly the same as.

    Rows that are alike are in one cluster, and so are clusters that a row joins. The row that is
    named may be a copy that goes itself; from row to row the names lead to the one that stays.
    """
    seen: dict[int, list[int]] = defaultdict(list)
    above: dict[int, int] = {}
    joined: dict[int, list[tuple[int, float]]] = defaultdict(list)

    def root(row: int) -> int:
        while row in above:
            row = above[row]
        return row

    for row, buckets in _candidates(rows, settings, gone):
        for other in sorted({other for bucket in buckets for other in seen[bucket]}):
            low, high = sorted((root(row), root(other)))
            if low == high:
                continue
            alike = rows.likeness(row, other)
            if alike >= settings.similarity:
                above[high] = low
                joined[row].append((other, alike))
                joined[other].append((row, alike))
        for bucket in buckets:
            seen[bucket].append(row)
    return _outwards(joined, {row for row in joined if row not in above})


def _outwards(joined: Mapping[int, list[tuple[int, float]]], stay: set[int]) -> Copied:
    """Return for each row that is joined to others the next one on the way to one that stays."""
    found: Copied = {}
    reached = sorted(stay)
    for row in reached:  # grows while it is gone through
        for other, alike in joined[row]:
            if other not in stay and other not in found:
                found[other] = row, alike
                reached.append(other)
    return found


def _candidates(
    rows: Remembered, settings: Dedup, gone: set[int]
) -> Iterator[tuple[int, list[int]]]:
    """Yield the rows that share a band with others and are not gone, with their buckets."""
    from inhouse.data.word_runs import sharing

    members, buckets = sharing(rows, settings.bands)
    at, many = 0, len(members)
    while at < many:
        row, end = int(members[at]), at
        while end < many and members[end] == row:
            end += 1
        if row not in gone:
            yield row, buckets[at:end].tolist()
        at = end


class Found:
    """Drops the copies that were found: those with the same text, and those nearly the same."""

    def __init__(self, rows: Remembered, same: Copied, near: Copied, settings: Dedup) -> None:
        self._rows, self._same, self._near, self._settings = rows, same, near, settings

    def judge(self, batch: Batch) -> Verdict:
        """Drop the copies in a batch; the value is how alike they are."""
        first = self._rows.first(batch.number)
        limit = format(self._settings.similarity, "g")
        notes = []
        for row in range(len(batch)):
            if copy := self._same.get(first + row):
                notes.append(Note(row, "same text", "1.000", "", self._rows.id(copy[0])))
            elif copy := self._near.get(first + row):
                kept, alike = copy[0], format(copy[1], ".3f")
                notes.append(Note(row, "nearly the same", alike, limit, self._rows.id(kept)))
        return Verdict(notes)
