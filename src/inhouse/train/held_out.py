"""Which part of a source is kept out of training, to measure on it what the model has learnt.

It is the end of each source: every hundredth row, at most 64; of a small source
eight, or a tenth if that is less. How well a model
does there is the business of `trainer`.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from inhouse.core.errors import BadInput
from inhouse.train.tokens import Tokens

SHARE = 0.01
LEAST, MOST = 8, 64
TENTH = 10


@dataclass(frozen=True, slots=True)
class Parted:
    """A source in two: what is learnt from, and what is kept out."""

    learnt: Tokens
    held: Tokens


def parted(name: str, tokens: Tokens, *, length: int, share: float = SHARE) -> Parted:
    """Return a source in two parts that have no token in common; `share` of it is kept out.

    Documents are parted between two windows of `length` tokens, chats between two of them.

    Raises:
        BadInput: there is too little of it for two parts.
    """
    rows = len(tokens.ids) // length
    held = min(MOST, max(1, int(rows * share), min(LEAST, rows // TENTH)))
    if tokens.about.template:
        border = _between_chats(tokens, held * length)
        end = len(tokens.ids)
    else:
        border, end = (rows - held) * length, rows * length
    if border <= 0:
        raise BadInput(
            f"{name} has {len(tokens.ids)} tokens in {len(tokens.ends)} documents, too few to "
            f"learn from some and measure on others in rows of {length}.",
            "Give it more, shorten 'length', or leave it out of the mix.",
        )
    return Parted(_part(tokens, 0, border), _part(tokens, border, end))


def _between_chats(tokens: Tokens, least: int) -> int:
    """Return where the last chats begin that have at least so many tokens, or half of all."""
    wanted = max(len(tokens.ids) - least, len(tokens.ids) // 2)
    place = int(np.searchsorted(tokens.ends, wanted, "right")) - 1
    return int(tokens.ends[place]) if place >= 0 else int(tokens.ends[0]) % len(tokens.ids)


def _part(tokens: Tokens, first: int, last: int) -> Tokens:
    """Return the tokens from `first` up to `last`; those from 0 keep the places of documents."""
    found = copy(tokens)
    found.ids = tokens.ids[first:last]
    found.loss = None if tokens.loss is None else tokens.loss[first:last]
    ends = tokens.ends[tokens.ends > first]
    kept = int(np.searchsorted(ends, last)) + 1
    found.ends = np.minimum(ends[:kept], last) - first
    found.verdicts = tokens.verdicts[len(tokens.ends) - len(ends) :][:kept]
    found.about = replace(tokens.about, tokens=last - first, documents=len(found.ends))
    return found
