"""Which source each draw of a run comes from, and how often it was drawn from before.

Nothing is remembered from draw to draw: the quotas say how many draws of each source lie before
any given one, to the sample, so that a run can begin anywhere. What lies at a draw's place in its
source is `inhouse.train.mixer`'s business.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from inhouse.core.errors import BadInput
from inhouse.train.permutation import key_of, permuted

WHOLE = 2**52
BLOCK = 1000


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of a run: `draws` samples, of each source its share.

    Shares are weights of any scale; a source that is not named is not drawn from.

    Raises:
        BadInput: there is nothing to draw, or a weight is below 0.
    """

    draws: int
    shares: Mapping[str, float]

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise BadInput(f"A phase of {self.draws} samples trains nothing.", "Give it more.")
        wrong = [name for name, weight in self.shares.items() if not 0 <= weight < float("inf")]
        if wrong:
            raise BadInput(f"The share of {wrong[0]} is no number from 0 up.", "Correct it.")
        if not sum(self.shares.values()):
            raise BadInput("No source has a share.", "Give one a share above 0.")


@dataclass(frozen=True, slots=True)
class Split:
    """A tree that shares out draws: at each node some go to the left, the others to the right.

    What a node gives to either side never falls while its draws rise, whatever the shares, so a
    count is never taken back. The lightest are joined first, as Huffman codes are (1952): thus a
    heavy source stands near the root, where little has been rounded yet.
    """

    weight: int
    left: int | Split
    right: int | Split
    to_left: int

    @classmethod
    def of(cls, weights: Mapping[int, float]) -> int | Split:
        """Return the tree over places with a weight above 0; a place alone is a tree."""
        total = sum(weights.values())
        heap: list[tuple[int, int, int | Split]] = [
            (max(1, round(WHOLE * (weight / total))), place, place)
            for place, weight in sorted(weights.items())
            if weight
        ]
        heapify(heap)
        while len(heap) > 1:
            (light, tie, left), (heavy, _, right) = heappop(heap), heappop(heap)
            heappush(heap, (light + heavy, tie, cls(light + heavy, left, right, light)))
        return heap[0][2]


def shared_out(tree: int | Split, draws: int, counts: list[int]) -> list[int]:
    """Add to `counts`, which has a place for each source, what each gets of `draws`; return it."""
    if isinstance(tree, int):
        counts[tree] += draws
        return counts
    left = (tree.to_left * draws + tree.weight // 2) // tree.weight
    shared_out(tree.left, left, counts)
    return shared_out(tree.right, draws - left, counts)


@dataclass(frozen=True, slots=True)
class Draws:
    """Consecutive draws: of each its source, int64 [n], and its turn in that source, int64 [n].

    The turn counts from 0 over the whole run: how often the source was drawn from before.
    """

    source: NDArray[np.int64]
    turn: NDArray[np.int64]


class Schedule:
    """Phases one after another; the sources in the order of their names.

    Each block of `block` draws holds what the shares ask for, in an order that `seed` shuffles. At
    the border of a block three sources are off by one draw at most, and many by less than two: a
    node rounds by half a draw, and hands on at most two thirds of what its parent was off.

    Raises:
        BadInput: a phase is not whole, or there is none.
    """

    def __init__(self, phases: Sequence[Phase], *, seed: int = 0, block: int = BLOCK) -> None:
        if not phases:
            raise BadInput("A schedule without phases trains nothing.", "Write at least one.")
        self.phases = tuple(phases)
        self.seed, self.block = seed, block
        self.sources = sorted({name for phase in phases for name in phase.shares})
        self._trees = [
            Split.of({place: phase.shares.get(n, 0.0) for place, n in enumerate(self.sources)})
            for phase in phases
        ]
        self._starts = [0, *accumulate(phase.draws for phase in phases)]
        self._before = self._counts_at_starts()
        self._held: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        """Return how many draws the run has."""
        return self._starts[-1]

    def by_phase(self) -> list[dict[str, int]]:
        """Return of each phase how often each source is drawn from in it."""
        ends = [self.counts(end) for end in self._starts]
        return [
            {name: end[name] - start[name] for name in self.sources}
            for start, end in pairwise(ends)
        ]

    def counts(self, draw: int) -> dict[str, int]:
        """Return how often each source is drawn from before a draw; before the end if it is past.

        Raises:
            ValueError: there is no such draw.
        """
        if not 0 <= draw <= len(self):
            raise ValueError(f"draw {draw} of a run of {len(self)}")
        phase = self._phase(draw)
        counts = self._before[phase] + self._counted(phase, draw - self._starts[phase])
        return dict(zip(self.sources, map(int, counts), strict=True))

    def draws(self, first: int, count: int) -> Draws:
        """Return `count` draws from `first` on.

        Raises:
            ValueError: they do not all lie in the run.
        """
        if not 0 <= first <= first + count <= len(self):
            raise ValueError(f"draws {first} to {first + count} of a run of {len(self)}")
        parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        place, end = first, first + count
        while place < end:
            held = self._held
            if held is None or not held[0] <= place < held[0] + len(held[1]):
                self._held = held = self._block(place)
            start, source, turn = held
            stop = min(end, start + len(source))
            parts.append((source[place - start : stop - start], turn[place - start : stop - start]))
            place = stop
        empty = np.empty(0, np.int64)
        sources, turns = zip(*parts, strict=True) if parts else ((empty,), (empty,))
        return Draws(np.concatenate(sources), np.concatenate(turns))

    def _block(self, draw: int) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
        """Return where the block of a draw begins, and sources and turns of all its draws."""
        phase = self._phase(draw)
        first = (draw - self._starts[phase]) // self.block * self.block
        source = self._shuffled(phase, first)
        before = self._before[phase] + self._within(phase, first)
        turn = np.empty_like(source)
        for place, start in enumerate(before):
            drawn = np.flatnonzero(source == place)
            turn[drawn] = start + np.arange(len(drawn))
        return self._starts[phase] + first, source, turn

    def _shuffled(self, phase: int, first: int) -> NDArray[np.int64]:
        """Return the sources of the block that begins at draw `first` of a phase, int64 [n]."""
        last = min(first + self.block, self.phases[phase].draws)
        quotas = self._within(phase, last) - self._within(phase, first)
        ordered = np.repeat(np.arange(len(quotas)), quotas)
        key = np.array([key_of(self.seed, phase, first)], np.uint64)
        return ordered[permuted(np.arange(len(ordered)), len(ordered), key)]

    def _within(self, phase: int, draw: int) -> NDArray[np.int64]:
        """Return the quotas of all sources in the first draws of a phase, int64 [s].

        They are what is drawn wherever a block ends.
        """
        return np.array(shared_out(self._trees[phase], draw, [0] * len(self.sources)), np.int64)

    def _counted(self, phase: int, draw: int) -> NDArray[np.int64]:
        """Return how often each source is drawn from in the first draws of a phase, int64 [s]."""
        first = draw // self.block * self.block
        if draw in (first, self.phases[phase].draws):
            return self._within(phase, draw)
        part = np.bincount(
            self._shuffled(phase, first)[: draw - first], minlength=len(self.sources)
        )
        return self._within(phase, first) + part

    def _phase(self, draw: int) -> int:
        return min(bisect_right(self._starts, draw) - 1, len(self.phases) - 1)

    def _counts_at_starts(self) -> list[NDArray[np.int64]]:
        ends = (self._within(place, phase.draws) for place, phase in enumerate(self.phases))
        return list(accumulate(ends, initial=np.zeros(len(self.sources), np.int64)))
