"""Which texts are likely near-copies of each other, by runs of their letters.

It serves to keep them together, not to drop any, so that a few too many do no harm; and unlike runs
of words, runs of letters tell of short questions too. Dropping is the business of `word_runs`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

LETTERS = 8
BANDS, ROWS = 32, 8
"""Texts that share 80 % of their runs meet in some band with a probability of 99.7 %."""
BINS = BANDS * ROWS
FEW, SLACK = 2000, 500
"""Up to so many runs they are hashed thoroughly; around it in both ways, so that a text and its
copy meet whichever way each would go."""
BASE = np.uint64(0x9E3779B97F4A7C15)
EMPTY = np.uint64(2**64 - 1)
ABSENT = np.uint64(0)
FACTORS = np.random.default_rng(0).integers(0, 2**63, BINS, np.uint64) * 2 + np.uint64(1)

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]


def buckets(texts: Sequence[str]) -> Hashes:
    """Return the numbers of the buckets that texts fall into, of shape [len(texts), 2 * BANDS].

    Near-copies have one in common, in the same column. `ABSENT` is none.
    """
    found = np.full((len(texts), 2 * BANDS), ABSENT)
    with np.errstate(over="ignore"):
        powers = np.cumprod(np.full(ROWS, BASE))
        for row, text in enumerate(texts):
            runs = _runs(" ".join(text.lower().split()).encode())
            if len(runs) <= FEW + SLACK:
                least = _thorough(runs).reshape(BANDS, ROWS)
                found[row, :BANDS] = _mixed((least * powers).sum(1))
            if len(runs) > FEW - SLACK:
                least = _quick(runs).reshape(BANDS, ROWS)
                found[row, BANDS:] = _mixed((least * powers).sum(1))
    return found


def groups(batches: Sequence[Hashes]) -> Places:
    """Return for each row of all batches the first row of its group.

    Those that share a bucket are in one group, directly or by way of others.
    """
    if not batches:
        return np.zeros(0, np.int64)
    parents = np.arange(sum(map(len, batches)))
    for band in range(2 * BANDS):
        numbers = np.concatenate([batch[:, band] for batch in batches])
        order = np.argsort(numbers, kind="stable")
        same = numbers[order][1:] == numbers[order][:-1]
        same &= numbers[order][1:] != ABSENT
        for place in np.flatnonzero(same):
            one, other = _top(parents, order[place]), _top(parents, order[place + 1])
            parents[max(one, other)] = min(one, other)
    return np.array([_top(parents, row) for row in range(len(parents))], np.int64)


def _top(parents: Places, row: int) -> int:
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = int(parents[row])
    return row


def _thorough(runs: Hashes) -> Hashes:
    """Return the least hash of each of many hash functions (Broder, 1997)."""
    return np.array((runs[:, None] * FACTORS).min(0), np.uint64)


def _quick(runs: Hashes) -> Hashes:
    """Return the least hash in each of many bins, each filled by many runs.

    MinHash with one permutation: Li, Owen and Zhang, 2012; an empty bin borrows from the next one,
    after Shrivastava and Li, arXiv 1406.4784.
    """
    least = np.full(BINS, EMPTY)
    np.minimum.at(least, (runs >> np.uint64(65 - BINS.bit_length())).astype(np.intp), runs)
    filled = np.flatnonzero(least != EMPTY)
    return least[filled[np.searchsorted(filled, np.arange(len(least))) % len(filled)]]


def _runs(data: bytes) -> Hashes:
    """Return a hash of each run of letters in a text, or of the whole if it is shorter."""
    letters = np.frombuffer(data.ljust(LETTERS, b"\0"), np.uint8).astype(np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(letters, LETTERS)
    return _mixed((windows << (np.arange(LETTERS, dtype=np.uint64) * np.uint64(8))).sum(1))


def _mixed(keys: Hashes) -> Hashes:
    """Spread what differs in some bits over all (the finaliser of MurmurHash3)."""
    keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return keys ^ (keys >> np.uint64(33))
