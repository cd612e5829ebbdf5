"""A shuffle without a table: any place of a permutation of any size, for the same work.

It is a Feistel network whose values outside of the range are sent through again (cycle walking;
Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002), so it takes no memory and no
time to start, however many samples there are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROUNDS = 4
LARGEST = 2**62

Words = NDArray[np.uint64]


def key_of(*parts: int) -> np.uint64:
    """Return a key that depends on every one of `parts` and on their order; each is 0 or more."""
    key = np.array([0x243F6A8885A308D3], np.uint64)
    for part in parts:
        key = mixed(key ^ mixed(np.array([part], np.uint64)))
    return np.uint64(key[0])


def mixed(words: Words) -> Words:
    """Return each 64-bit word scrambled by splitmix64 (Steele, Lea and Flood, 2014)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def permuted(places: NDArray[np.int64], size: int, keys: Words) -> NDArray[np.int64]:
    """Return where `places` of [0, size) are sent; of one key, no two to the same.

    Args:
        places: int64 [n], each at least 0 and below `size`.
        size: how many there are, at most 2 to the 62nd.
        keys: uint64 [n] or [1], the permutation that each place goes through.

    Raises:
        ValueError: `size` is not in range.
    """
    if not 0 < size <= LARGEST:
        raise ValueError(f"no permutation of {size} places")
    half = np.uint64(max(1, ((size - 1).bit_length() + 1) // 2))
    mask = np.uint64((1 << int(half)) - 1)
    found = places.astype(np.uint64)
    keys = np.broadcast_to(keys, found.shape)
    open_ = np.arange(len(found))
    while len(open_):
        words = _crossed(found[open_], keys[open_], half, mask)
        found[open_] = words
        open_ = open_[words >= np.uint64(size)]
    return found.astype(np.int64)


def _crossed(words: Words, keys: Words, half: np.uint64, mask: np.uint64) -> Words:
    """Send words of 2 * `half` bits through the network, each with its key."""
    left, right = words >> half, words & mask
    for turn in range(ROUNDS):
        turned = keys + np.uint64(turn * 0xD1B54A32D192ED03 % 2**64)
        left, right = right, left ^ (mixed(right ^ turned) & mask)
    return (left << half) | right
