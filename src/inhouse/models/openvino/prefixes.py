"""Which beginnings of prompts the pipeline has in its cache: our own account, as it tells nothing.

The pipeline keeps blocks of tokens by all that comes before them, until it needs the room, and
starts a prompt behind those it has. What is kept here are hashes of the same blocks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence


class Prefixes:
    """The blocks of a cache of so many; the least recently used go first."""

    def __init__(self, blocks: int, tokens: int) -> None:
        """Take note of no block yet; each has so many tokens."""
        self._blocks = blocks
        self._tokens = tokens
        self._kept: OrderedDict[int, None] = OrderedDict()

    def found(self, prompt: Sequence[int]) -> int:
        """Return how many tokens of a prompt need not be read; the last one always is."""
        count = 0
        for block in self._of(prompt):
            if block not in self._kept:
                break
            count += self._tokens
        return min(count, len(prompt) - 1)

    def keep(self, text: Sequence[int]) -> None:
        """Take note that a text has been read or written."""
        for block in self._of(text):
            self._kept[block] = None
            self._kept.move_to_end(block)
        while len(self._kept) > self._blocks:
            self._kept.popitem(last=False)

    def _of(self, text: Sequence[int]) -> Iterator[int]:
        before = 0
        for start in range(0, len(text) - self._tokens + 1, self._tokens):
            before = hash((before, *text[start : start + self._tokens]))
            yield before
