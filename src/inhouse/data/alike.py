"""Which texts are likely near-copies of each other, by hashes of their letters: for keeping them
together, not for dropping any, so that a few too many do no harm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

LETTERS = 8
BANDS, ROWS = 16, 8
"""Texts that share 80 % of their shingles meet in some band with a probability of 95 %."""
FEW, SLACK = 2000, 500
"""Up to so many shingles they are hashed thoroughly; around it in both ways, so that a text and its
copy meet whichever way each would go."""
BASE = np.uint64(0x9E3779B97F4A7C15)
EMPTY = np.uint64(2**64 - 1)
NUMBERS = np.arange(BANDS, dtype=np.uint64)
FACTORS = np.random.default_rng(0).integers(0, 2**63, BANDS * ROWS, np.uint64) * np.uint64(
    2
) + np.uint64(1)

Hashes = npt.NDArray[np.uint64]


def buckets(text: str) -> list[int]:
    """Return a number for each band; near-copies have one in common."""
    found = _shingles(" ".join(text.lower().split()).encode())
    signatures = [_thorough(found)] if len(found) <= FEW + SLACK else []
    signatures += [_quick(found)] if len(found) > FEW - SLACK else []
    with np.errstate(over="ignore"):
        powers = np.cumprod(np.full(ROWS, BASE))
        bands = [_mixed((s.reshape(BANDS, ROWS) * powers).sum(1) + NUMBERS) for s in signatures]
    return [int(number) for number in np.concatenate(bands)]


def _thorough(found: Hashes) -> Hashes:
    """Return the least hash of each of many hash functions (Broder, 1997)."""
    with np.errstate(over="ignore"):
        return np.array((found[:, None] * FACTORS).min(0), np.uint64)


def _quick(found: Hashes) -> Hashes:
    """Return the least hash in each of many bins, each filled by many shingles.

    MinHash with one permutation: Li, Owen and Zhang, 2012; an empty bin borrows from the next one,
    after Shrivastava and Li, arXiv 1406.4784.
    """
    least = np.full(BANDS * ROWS, EMPTY)
    np.minimum.at(least, (found >> np.uint64(57)).astype(np.intp), found)
    filled = np.flatnonzero(least != EMPTY)
    return least[filled[np.searchsorted(filled, np.arange(len(least))) % len(filled)]]


def groups(rows: Sequence[Sequence[int]]) -> list[int]:
    """Return for each row the first row of its group: those that share a bucket, near or far."""
    parents = list(range(len(rows)))

    def top(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    first: dict[int, int] = {}
    for row, numbers in enumerate(rows):
        for number in numbers:
            one, other = top(first.setdefault(number, row)), top(row)
            parents[max(one, other)] = min(one, other)
    return [top(row) for row in range(len(rows))]


def _shingles(data: bytes) -> Hashes:
    """Return a hash of each run of letters in a text, or of the whole if it is shorter."""
    letters = np.frombuffer(data.ljust(LETTERS, b"\0"), np.uint8).astype(np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(letters, LETTERS)
    with np.errstate(over="ignore"):
        return _mixed((windows << (np.arange(LETTERS, dtype=np.uint64) * np.uint64(8))).sum(1))


def _mixed(keys: Hashes) -> Hashes:
    """Spread what differs in some bits over all (the finaliser of MurmurHash3)."""
    keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return keys ^ (keys >> np.uint64(33))
