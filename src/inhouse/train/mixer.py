"""Batches of samples, mixed from several sources by a schedule while they are read.

Sample i is a pure function of the schedule and of the data: nothing is prepared for a mix, nothing
is remembered but how many samples were used, and it makes no difference how many processes read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from inhouse.core.errors import BadInput
from inhouse.train.permutation import key_of, permuted
from inhouse.train.samples import samples_of
from inhouse.train.schedule import Schedule
from inhouse.train.tokens import Tokens

AHEAD = 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """What one process learns from in one step.

    Args:
        tokens: int64 [n, length].
        loss: bool [n, length], which of them are learnt; None if all are.
        positions: int64 [n, length], from 0 up for each conversation of a packed row, what is left
            of the row counted as one, and over the whole of a window; None if nothing is packed.
        source: int64 [n], by place in the schedule's sources.
        window: int64 [n], which sample of that source.
    """

    tokens: NDArray[np.int64]
    loss: NDArray[np.bool_] | None
    positions: NDArray[np.int64] | None
    source: NDArray[np.int64]
    window: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run has used of a source: samples, whole passes and a part, and its documents.

    `documents` are their places in the folder of tokens, int64 [d], in order.
    """

    samples: int
    passes: float
    documents: NDArray[np.int64]


class Mixer:
    """Reads samples of `length` tokens, `batch` of them a step over all processes.

    Args:
        sources: the tokens of each source that the schedule names.
        schedule: how much of each, when.
        length: tokens of a sample.
        batch: samples of a step, over all processes together.
        begun: how many samples of a source earlier runs have drawn; this one goes on behind them.

    `samples` are those of each source, by its place in the schedule's sources.

    Raises:
        BadInput: a source is missing, shorter than a sample, or of another tokenizer.
    """

    def __init__(
        self,
        sources: Mapping[str, Tokens],
        schedule: Schedule,
        *,
        length: int,
        batch: int,
        begun: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.schedule, self.length, self.batch = schedule, length, batch
        self._tokens = [_found(sources, name) for name in schedule.sources]
        self.samples = [samples_of(tokens, length) for tokens in self._tokens]
        self._sizes = [len(samples) for samples in self.samples]
        self._begun = [begun.get(name, 0) for name in schedule.sources]
        for name, tokens, size in zip(schedule.sources, self._tokens, self._sizes, strict=True):
            if not size:
                raise BadInput(
                    f"{name} has {tokens.about.tokens} tokens, and a sample takes {length}.",
                    "Shorten the samples, or leave the source out.",
                )
        if len({tokens.about.tokenizer for tokens in self._tokens}) > 1:
            raise BadInput(
                "The sources are of different tokenizers.", "Tokenise them all with the same."
            )
        self._keys = [_number(name) for name in schedule.sources]
        self._packed = any(tokens.about.template for tokens in self._tokens)
        self._masked = self._packed or any(tokens.loss is not None for tokens in self._tokens)
        self._ahead: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        """Return how many steps the schedule has; what is left at its end makes no step."""
        return len(self.schedule) // self.batch

    def at(self, step: int, *, rank: int = 0, world: int = 1) -> Batch:
        """Return the part of process `rank` of `world` in the batch of a step.

        Put together in the order of their ranks the parts are the same for every `world`; they
        differ by one sample at most.

        Raises:
            ValueError: the schedule has no such step.
        """
        if not 0 <= step < len(self):
            raise ValueError(f"step {step} of a run of {len(self)}")
        first, last = (step * self.batch + self.batch * part // world for part in (rank, rank + 1))
        source, window = self._places(first, last)
        shape = (len(source), self.length)
        batch = Batch(
            np.empty(shape, np.int64),
            np.ones(shape, np.bool_) if self._masked else None,
            np.tile(np.arange(self.length), (len(source), 1)) if self._packed else None,
            source,
            window,
        )
        for row, (of, place) in enumerate(zip(source.tolist(), window.tolist(), strict=True)):
            self.samples[of].put(place, batch, row)
        return batch

    def documents(self, batch: Batch) -> list[tuple[str, Sequence[int]]]:
        """Return of each sample its source, and its documents by their place in that source."""
        return [
            (self.schedule.sources[of], self.samples[of].documents_in(window))
            for of, window in zip(batch.source.tolist(), batch.window.tolist(), strict=True)
        ]

    def seen(self, draw: int) -> dict[str, Seen]:
        """Return what the samples before `draw` have used of each source that they came from."""
        found = {}
        for place, (name, samples) in enumerate(self.schedule.counts(draw).items()):
            if not samples:
                continue
            size = self._sizes[place]
            # So many lie in a row that a whole pass is among them: more add nothing.
            windows = self._windows(place, np.arange(min(samples, 2 * size - 1)))
            found[name] = Seen(samples, samples / size, self.samples[place].covered(windows))
        return found

    def positions(self, draw: int) -> dict[str, int]:
        """Return how many samples of each source lie behind a draw, and behind earlier runs."""
        drawn = self.schedule.counts(draw).items()
        return {name: self._begun[place] + many for place, (name, many) in enumerate(drawn)}

    def _places(self, first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return source and window of the draws from `first` up to `last`, each int64 [n]."""
        held = self._ahead
        if held is None or not held[0] <= first <= last <= held[0] + len(held[1]):
            count = min(max(AHEAD, last - first), len(self.schedule) - first)
            drawn = self.schedule.draws(first, count)
            window = np.empty(count, np.int64)
            for place in np.unique(drawn.source).tolist():
                rows = drawn.source == place
                window[rows] = self._windows(place, drawn.turn[rows])
            self._ahead = held = (first, drawn.source, window)
        start, source, window = held
        return source[first - start : last - start], window[first - start : last - start]

    def _windows(self, place: int, turns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the windows of a source at its turns, each pass in an order of its own."""
        size, turns = self._sizes[place], self._begun[place] + turns
        passes, where = np.unique(turns // size, return_inverse=True)
        seed, source = self.schedule.seed, self._keys[place]
        keys = np.array([key_of(seed, source, int(one)) for one in passes], np.uint64)
        return permuted(turns % size, size, keys[where])


def _found(sources: Mapping[str, Tokens], name: str) -> Tokens:
    if name not in sources:
        raise BadInput(f"There are no tokens of {name}.", "Make them, or leave it out of the mix.")
    return sources[name]


def _number(name: str) -> int:
    """Return a number of a name, so that another source in the mix changes nobody's order."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
