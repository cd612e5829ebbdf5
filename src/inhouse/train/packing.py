"""Which conversations share a row: whole ones, best fit, as a pure function of their sizes.

What stands in the rows is `inhouse.train.samples`' business.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Stretches of tokens that are never torn apart: of each where it starts, and its size.

    Args:
        starts: int64 [p], the place of its first token.
        sizes: int64 [p].
        documents: int64 [p], the document that it is (a part of).
        split: how many documents were too long and became several pieces.
        dropped: how many tokens are in no piece, because nothing is learnt near them.
    """

    starts: Places
    sizes: Places
    documents: Places
    split: int = 0
    dropped: int = 0


def pieces(ends: Places, loss: NDArray[np.bool_] | None, length: int) -> Pieces:
    """Return the pieces of documents that end at `ends`: each whole if it fits into `length`.

    One that is too long is cut behind the last stretch of it that is learnt and still fits, where
    somebody else's turn begins; only if there is none, after `length` tokens. Pieces of which
    nothing is learnt are left out; the first token of a piece never is, for nothing precedes it.
    """
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    fits = ends - starts <= length
    documents = np.flatnonzero(fits & (ends > starts))
    found = [np.stack([starts[documents], ends[documents], documents])]
    too_long = np.flatnonzero(~fits)
    for document in too_long.tolist():
        cuts = _cuts(int(starts[document]), int(ends[document]), loss, length)
        many = np.full(len(cuts) - 1, document)
        found.append(np.stack([cuts[:-1], cuts[1:], many]))
    first, last, of = np.concatenate(found, axis=1)
    if loss is not None:
        learnt = np.fromiter(
            (loss[a + 1 : b].any() for a, b in zip(first.tolist(), last.tolist(), strict=True)),
            np.bool_,
            len(first),
        )
        first, last, of = first[learnt], last[learnt], of[learnt]
    tokens = int(ends[-1]) if len(ends) else 0
    return Pieces(first, last - first, of, len(too_long), tokens - int((last - first).sum()))


def packed(sizes: Places, length: int) -> Places:
    """Return the row that each piece goes to, int64 [p]; a row takes `length` tokens.

    It is best-fit decreasing: the largest piece first, each into the fullest row that it fits
    into (Johnson, 1973). Of rows as full as each other the one begun last is taken.

    Raises:
        ValueError: a piece is longer than a row.
    """
    if len(sizes) and sizes.max() > length:
        raise ValueError(f"a piece of {sizes.max()} tokens for rows of {length}")
    rows = np.empty(len(sizes), np.int64)
    order = np.argsort(-sizes, kind="stable")
    open_: list[list[int]] = [[] for _ in range(length + 1)]
    free = 0  # Bit n is set while some row has room for n tokens.
    begun = 0
    chosen: list[int] = []
    for size in sizes[order].tolist():
        fitting = free >> size
        if fitting:
            room = size + (fitting & -fitting).bit_length() - 1
            row = open_[room].pop()
            if not open_[room]:
                free ^= 1 << room
        else:
            room, row = length, begun
            begun += 1
        left = room - size
        if left:
            open_[left].append(row)
            free |= 1 << left
        chosen.append(row)
    rows[order] = chosen
    return rows


def _cuts(start: int, end: int, loss: NDArray[np.bool_] | None, length: int) -> Places:
    """Return where a document that is too long is cut, its start and its end among them."""
    borders = np.empty(0, np.int64)
    if loss is not None:
        learnt = loss[start:end]
        borders = start + 1 + np.flatnonzero(learnt[:-1] & ~learnt[1:])
    cuts = [start]
    while end - cuts[-1] > length:
        place = int(np.searchsorted(borders, cuts[-1] + length, "right"))
        border = int(borders[place - 1]) if place else start
        cuts.append(border if border > cuts[-1] else cuts[-1] + length)
    return np.array([*cuts, end], np.int64)
