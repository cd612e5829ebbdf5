"""From the batches of a mixer to what a model is given: inputs, positions, and what to say next.

A step's batch is cut into parts that fit into memory; their gradients add up to those of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inhouse.core.errors import BadInput
from inhouse.train.mixer import Batch, Mixer
from inhouse.train.samples import samples_of
from inhouse.train.schedule import Phase, Schedule
from inhouse.train.tokens import Tokens

UNLEARNT = -100
MOST_SCORES = 50_400_000
"""Scores that are held at once, as many for each token as the vocabulary has words: some 600 MB of
them with their logarithms and gradients. That is 1,025 tokens of 49,152 words."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a step.

    Args:
        tokens: int64 [n, length].
        targets: int64 [n, length], of each token the one to say next; `UNLEARNT` if none is learnt.
        positions: int64 [n, length], from 0 with each packed piece; None if rows are not packed.
        source: int64 [n], by place in the schedule's sources.
        learnt: how many targets the whole step has.
    """

    tokens: NDArray[np.int64]
    targets: NDArray[np.int64]
    positions: NDArray[np.int64] | None
    source: NDArray[np.int64]
    learnt: int


def targets_of(batch: Batch) -> NDArray[np.int64]:
    """Return of each token the one to say next, int64 [n, length].

    The first token of a row or of a packed piece is said by nobody: what stands before it belongs
    to another text.
    """
    found = np.full(batch.tokens.shape, UNLEARNT, np.int64)
    said = np.ones(batch.tokens.shape, np.bool_) if batch.loss is None else batch.loss
    if batch.positions is not None:
        said = said & (batch.positions != 0)
    found[:, :-1] = np.where(said[:, 1:], batch.tokens[:, 1:], UNLEARNT)
    return found


def parts_of(batch: Batch, *, rows: int, rank: int = 0, world: int = 1) -> list[Part]:
    """Return the rows of a batch that process `rank` of `world` learns, in parts of so many.

    Of what all learn each knows how much it is.

    Raises:
        BadInput: nothing in it is learnt.
    """
    targets = targets_of(batch)
    learnt = int((targets != UNLEARNT).sum())
    if not learnt:
        raise BadInput(
            "A batch has nothing to learn: every token in it is masked.",
            "Lengthen the rows with 'length', or look at whether its chats have answers.",
        )
    first, last = (len(targets) * part // world for part in (rank, rank + 1))
    spans = [slice(start, min(start + rows, last)) for start in range(first, last, rows)]
    packed = batch.positions
    return [
        Part(
            batch.tokens[span],
            targets[span],
            None if packed is None else packed[span],
            batch.source[span],
            learnt,
        )
        for span in spans
    ]


def parts_from(
    mixer: Mixer, first: int, *, rows: int, rank: int = 0, world: int = 1
) -> Iterator[Part]:
    """Yield the parts that process `rank` of `world` has of all steps from step `first` on."""
    for step in range(first, len(mixer)):
        yield from parts_of(mixer.at(step), rows=rows, rank=rank, world=world)


def rows_at_once(length: int, vocabulary: int) -> int:
    """Return how many rows of `length` tokens go through a model of so many words at once."""
    return max(1, MOST_SCORES // (vocabulary * length))


def once(name: str, tokens: Tokens, *, length: int) -> Mixer:
    """Return the mixer that gives each row of one source a single time, row by row."""
    phase = Phase(rows_of(tokens, length), {name: 1.0})
    return Mixer({name: tokens}, Schedule([phase]), length=length, batch=1)


def rows_of(tokens: Tokens, length: int) -> int:
    """Return how many rows of `length` tokens a source has."""
    return len(samples_of(tokens, length))
