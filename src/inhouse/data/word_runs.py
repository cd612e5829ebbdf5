"""Which rows say nearly the same, by runs of their words: candidates by MinHash, then how alike.

It serves to drop copies, so that every pair is really compared; `letter_runs` keeps them together.

A row needs about 100 bytes of memory here, and more only if it shares a band with others; the runs
of words that rows are compared by stay on disk. What becomes of copies is for the steps to say.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from inhouse.data.buffers import buffers
from inhouse.data.kernels.shingles import factors, folded, shingles, signatures, similarity
from inhouse.data.step import Batch, Seen

if TYPE_CHECKING:
    import pyarrow as pa

Rows = npt.NDArray[np.int64]
OPEN = 64


@dataclass(frozen=True, slots=True)
class Banding:
    """How texts are compared: runs of `words` words, and `bands` of `hashes` MinHashes each.

    Where `numbers` do not count, any is as good as another. 16 bands of 8 find 95 of 100 pairs of a
    similarity of 0.8, and all but a few of 0.9.
    """

    words: int = field(default=5, metadata={"least": 1, "most": 20})
    bands: int = field(default=16, metadata={"least": 1, "most": 256})
    hashes: int = field(default=8, metadata={"least": 1, "most": 32})
    numbers: bool = False


def signed(batch: Batch, banding: Banding) -> pa.Table:
    """Return what is to be remembered of rows: id, digest of the text, bands and runs of words."""
    import pyarrow as pa

    texts = batch.texts
    data, offsets = buffers(texts)
    plain = folded(banding.numbers)
    runs, places = shingles(data, offsets, banding.words, plain, np.empty(0, np.uint32))
    bands = signatures(runs, places, factors(banding.bands * banding.hashes, 1), banding.bands)
    digests = [blake2b(text.as_buffer() or b"", digest_size=16).digest() for text in texts]
    return pa.table(
        {
            "id": batch.rows.column("id"),
            "digest": pa.array(digests, pa.binary(16)),
            **{f"band{n}": pa.array(band) for n, band in enumerate(bands)},
            "runs": pa.LargeListArray.from_arrays(pa.array(places), pa.array(runs)),
        }
    )


class Remembered:
    """The rows that were remembered of all batches, by a number that counts through them."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._begins = [0]
        for table in seen:
            self._begins.append(self._begins[-1] + table.num_rows)
        self._open: dict[int, pa.Table] = {}

    def __len__(self) -> int:
        return self._begins[-1]

    def first(self, batch: int) -> int:
        """Return the number of the first row of a batch."""
        return self._begins[batch]

    def id(self, row: int) -> str:
        """Return the id of a row."""
        batch = self._batch(row)
        return str(self._table(batch).column("id")[row - self._begins[batch]].as_py())

    def runs(self, row: int) -> npt.NDArray[np.uint32]:
        """Return the runs of words in a row, sorted."""
        batch = self._batch(row)
        found = self._table(batch).column("runs")[row - self._begins[batch]].values
        return np.asarray(found, np.uint32)

    def likeness(self, left: int, right: int) -> float:
        """Return the Jaccard similarity of two rows."""
        return float(similarity(self.runs(left), self.runs(right)))

    def column(self, name: str) -> npt.NDArray[np.uint64]:
        """Return a column of numbers, of shape [rows]."""
        parts = [table.column(name).to_numpy() for table in self._seen]
        return np.concatenate(parts) if parts else np.zeros(0, np.uint64)

    def digests(self) -> Iterator[bytes]:
        """Yield the digest of each text."""
        for table in self._seen:
            yield from table.column("digest").to_pylist()

    def _batch(self, row: int) -> int:
        return bisect_right(self._begins, row) - 1

    def _table(self, batch: int) -> pa.Table:
        if batch not in self._open:
            if len(self._open) >= OPEN:
                self._open.pop(next(iter(self._open)))
            self._open[batch] = self._seen[batch]
        return self._open[batch]


def sharing(rows: Remembered, bands: int) -> tuple[Rows, Rows]:
    """Return which rows share a band: rows and the bucket of each, sorted by row, then bucket.

    Only buckets of two and more are there; a row that is in none is like no other.
    """
    members, buckets, many = [], [], 0
    for band in range(bands):
        keys = rows.column(f"band{band}")
        order = np.argsort(keys, kind="stable")
        begins = np.ones(len(order), bool)
        begins[1:] = keys[order][1:] != keys[order][:-1]
        bucket = np.cumsum(begins) - 1
        shared = np.bincount(bucket, minlength=1)[bucket] > 1
        members.append(order[shared])
        buckets.append(bucket[shared] + many)
        many += int(bucket[-1]) + 1 if len(bucket) else 0
    all_members, all_buckets = np.concatenate(members), np.concatenate(buckets)
    by_row = np.lexsort((all_buckets, all_members))
    return all_members[by_row], np.unique(all_buckets, return_inverse=True)[1][by_row]
