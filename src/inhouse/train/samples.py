"""What the samples of a source are: windows straight across documents, or packed conversations.

Which of them comes when is the business of `inhouse.train.mixer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inhouse.train.packing import packed, pieces
from inhouse.train.tokens import Tokens


class Room(Protocol):
    """Where samples are put: arrays [n, length], of which some may not be wanted."""

    @property
    def tokens(self) -> NDArray[np.int64]:
        """The tokens."""
        ...

    @property
    def loss(self) -> NDArray[np.bool_] | None:
        """Which of them are learnt, all of them before anything is put there."""
        ...

    @property
    def positions(self) -> NDArray[np.int64] | None:
        """Their positions, counted from 0 over each sample before anything is put there."""
        ...


class Samples(Protocol):
    """The samples of one source.

    `wasted` is the share of places that hold no token, and `split` how many documents were too
    long for a sample and lie in several.
    """

    wasted: float
    split: int

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def put(self, sample: int, room: Room, row: int) -> None:
        """Put a sample into a row."""
        ...

    def documents_in(self, sample: int) -> Sequence[int]:
        """Return the documents that a sample has tokens of, by their place in the folder."""
        ...

    def covered(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the documents that any of the samples has tokens of, int64 [d], in order."""
        ...


def samples_of(tokens: Tokens, length: int) -> Samples:
    """Return the samples of a source: of chats they are packed, of all else plain windows."""
    return Packed(tokens, length) if tokens.about.template else Windows(tokens, length)


class Windows:
    """Windows straight across documents; what is left at the end makes none."""

    wasted = 0.0
    split = 0

    def __init__(self, tokens: Tokens, length: int) -> None:
        self._tokens, self._length = tokens, length
        self._ids, self._loss = tokens.ids, tokens.loss
        self._many = tokens.windows(length)

    def __len__(self) -> int:
        return self._many

    def put(self, sample: int, room: Room, row: int) -> None:
        """Put a window into a row."""
        span = slice(sample * self._length, (sample + 1) * self._length)
        room.tokens[row] = self._ids[span]
        if self._loss is not None and room.loss is not None:
            room.loss[row] = self._loss[span]

    def documents_in(self, sample: int) -> Sequence[int]:
        """Return the documents that a window lies in."""
        return self._tokens.documents_in(sample, self._length)

    def covered(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the documents that have tokens in any of the windows."""
        return self._tokens.covered(samples, self._length)


class Packed:
    """Rows of whole documents, each of which knows nothing of the others.

    The first token of a piece is never learnt, since nothing before it says what it is. What is
    left of a row holds token 0, at positions of its own, and is not learnt.
    """

    def __init__(self, tokens: Tokens, length: int) -> None:
        found = pieces(tokens.ends, tokens.loss, length)
        rows = packed(found.sizes, length)
        order = np.argsort(rows, kind="stable")
        self._tokens, self._length = tokens, length
        self._starts, self._sizes = found.starts[order], found.sizes[order]
        self._documents = found.documents[order]
        self._borders = np.concatenate([[0], np.cumsum(np.bincount(rows))]).astype(np.int64)
        self.split = found.split
        self.wasted = 1 - int(found.sizes.sum()) / (len(self) * length) if len(self) else 0.0

    def __len__(self) -> int:
        return len(self._borders) - 1

    def put(self, sample: int, room: Room, row: int) -> None:
        """Put a row of pieces into a row."""
        tokens, loss, positions = room.tokens[row], room.loss, room.positions
        place = 0
        own = self._of(sample)
        for start, size in zip(self._starts[own].tolist(), self._sizes[own].tolist(), strict=True):
            here, there = slice(place, place + size), slice(start, start + size)
            tokens[here] = self._tokens.ids[there]
            if loss is not None and self._tokens.loss is not None:
                loss[row, here] = self._tokens.loss[there]
            if loss is not None:
                loss[row, place] = False
            if positions is not None:
                positions[row, here] -= positions[row, place]
            place += size
        tokens[place:] = 0
        if loss is not None:
            loss[row, place:] = False
        if positions is not None:
            positions[row, place:] -= place

    def documents_in(self, sample: int) -> Sequence[int]:
        """Return the documents of a row, in the order in which they stand there."""
        found: list[int] = self._documents[self._of(sample)].tolist()
        return found

    def covered(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the documents that any of the rows holds."""
        within = np.zeros(len(self), np.bool_)
        within[samples] = True
        return np.unique(self._documents[np.repeat(within, np.diff(self._borders))])

    def _of(self, sample: int) -> slice:
        return slice(int(self._borders[sample]), int(self._borders[sample + 1]))
