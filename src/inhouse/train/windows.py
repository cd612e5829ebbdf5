"""Windows of a data set to measure a model by: as long as each other, evenly out of all of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inhouse.core.errors import BadInput
from inhouse.train.tokens import Tokens

FEWEST, SHORTEST = 16, 16


class Window(NamedTuple):
    """Tokens, int64 [length], and which of them count, bool [length]: never the first."""

    tokens: NDArray[np.int64]
    counts: NDArray[np.bool_]


def windows(folder: Path, length: int, most: int) -> list[Window]:
    """Return up to `most` windows of the tokens in a folder.

    Of chats, what the assistant says counts. Windows are shorter than `length` if there would be
    too few of them else.

    Raises:
        BadInput: there are too few tokens.
    """
    tokens = Tokens(folder)
    length = min(length, len(tokens.ids) // FEWEST)
    if length < SHORTEST:
        raise BadInput(
            f"{len(tokens.ids)} tokens are too few to measure a model by.",
            f"Give it {FEWEST * SHORTEST} tokens at least; some ten thousand say more.",
        )
    found = []
    count = tokens.windows(length)
    for place in np.unique(np.linspace(0, count - 1, min(most, count)).astype(int)):
        own = slice(place * length, (place + 1) * length)
        counts = np.ones(length, np.bool_) if tokens.loss is None else tokens.loss[own].copy()
        counts[0] = False
        if counts.any():
            found.append(Window(tokens.ids[own].astype(np.int64), counts))
    if len(found) < min(most, FEWEST // 2):
        raise BadInput(
            f"The assistant says something in {len(found)} of {count} windows only.",
            "Give it more chats to measure by.",
        )
    return found
