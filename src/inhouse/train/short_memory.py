"""What a step does when memory is short: its rows go through the model in smaller pieces.

The loss of a piece is its share of that of the whole step, so the gradients add up to the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from inhouse.core.errors import BadInput

WORDS = ("can't allocate memory", "not enough memory", "out of memory")


def is_short(error: BaseException) -> bool:
    """Say whether an error means that memory ran out."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or any(words in str(error) for words in WORDS)


def refusal(length: int) -> BadInput:
    """Return what is said when one row at once is too much as well."""
    return BadInput(
        f"Memory ran out with one row of {length:,} tokens at once.",
        "Shorten 'length', train an adapter in place of 'full', or free memory.",
    )


def pieces_of(part: Mapping[str, Any], rows: int) -> Iterator[dict[str, Any]]:
    """Yield a part in pieces of so many rows; what is no row of it, each piece has."""
    count = len(part["input_ids"])
    if count <= rows:
        yield dict(part)
        return
    for first in range(0, count, rows):
        yield {
            name: value[first : first + rows] if value.dim() and len(value) == count else value
            for name, value in part.items()
        }
