"""How much of a text is said more than once: the repetition rules of Gopher.

Rae et al., arXiv 2112.11446, table A1, counted as datatrove counts them.
"""

from __future__ import annotations

import numpy as np

from inhouse.data.kernels.compiled import compiled, inlined
from inhouse.data.kernels.words import PRIME, SEED

NEW_LINE = 10
MIX = np.uint64(0x9E3779B97F4A7C15)


@inlined
def _slot(keys, key, mask):
    """Return where a key stands in a table of the size mask + 1, or where it is to stand."""
    at = np.int64((key * MIX) >> np.uint64(20)) & mask
    while keys[at] != 0 and keys[at] != key:
        at = (at + 1) & mask
    return at


@compiled
def emptied(keys, least):
    """Empty as much of a table as `least` keys need; return its size less one."""
    size = 16
    while size < 2 * least:
        size *= 2
    for i in range(size):
        keys[i] = 0
    return size - 1


@compiled
def repeated_lines(codes, first, size, least, blank, keys):
    """Return how many lines there are, how many stood before, and the characters of the latter.

    Lines are parted by `least` line breaks or more; those that hold no more than spaces count if
    `blank` does.
    """
    breaks = 2
    for i in range(first, size):
        breaks += codes[i] == NEW_LINE
    mask = emptied(keys, breaks)
    many, again, characters, start = 0, 0, 0, first
    while start <= size:
        at = behind = start
        while at < size:
            behind = at
            while behind < size and codes[behind] == NEW_LINE:
                behind += 1
            if behind - at >= least:
                break
            at = behind + 1 if behind == at else behind
        at = min(at, size)
        key, empty = SEED, True
        for i in range(start, at):
            key = (key ^ np.uint64(codes[i])) * PRIME
            empty = empty and (codes[i] <= 32 or codes[i] == 160)
        if blank or not empty:
            key |= np.uint64(1)
            slot = _slot(keys, key, mask)
            if keys[slot]:
                again += 1
                characters += at - start
            keys[slot] = key
            many += 1
        if at >= size:
            break
        start = behind
    return many, again, characters


@compiled
def top_share(grams, ends, count, n, keys, times):
    """Return the characters of the n-gram that comes most often, all times together.

    Args:
        grams: the number of the n-gram that begins at each word, uint64.
        ends: the characters of all words up to each, int64 of shape [count + 1].
        count: how many words there are.
        n: how many words an n-gram has.
        keys: a table to use, uint64.
        times: of the same shape, int32.
    """
    many = count - n + 1
    mask = emptied(keys, many)
    best = 0
    for i in range(many):
        slot = _slot(keys, grams[i], mask)
        times[slot] = times[slot] + 1 if keys[slot] else 1
        keys[slot] = grams[i]
        best = max(best, times[slot])
    for i in range(many):
        if times[_slot(keys, grams[i], mask)] == best:
            return best * (ends[i + n] - ends[i] + n - 1)
    return 0


@compiled
def repeated_share(grams, ends, count, n, keys):
    """Return the characters of n-grams that stood before; none is counted into the next one."""
    many = count - n + 1
    mask = emptied(keys, max(many, 1))
    characters, i = 0, 0
    while i < many:
        slot = _slot(keys, grams[i], mask)
        if keys[slot]:
            characters += ends[i + n] - ends[i]
            i += n
        else:
            keys[slot] = grams[i]
            i += 1
    return characters


@compiled
def longer(grams, numbers, count, n):
    """Make n-grams of the (n - 1)-grams in `grams`, in place; none is the number 0."""
    for i in range(count - n + 1):
        grams[i] = (grams[i] * PRIME + numbers[i + n - 1]) | np.uint64(1)
