"""Texts as unit vectors of their hashed n-grams: what an embedder does, without any model.

Words and pairs of words are hashed into a fixed width with a sign each, which nearly keeps the
angles between texts (Weinberger et al., arXiv 0902.2206). What is learnt from the vectors is the
business of `classifier`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

WIDTH = 4096
LONGEST = 4_000
"""So many bytes of a text are looked at; what it is about shows in its beginning."""
# An odd base has an inverse modulo 2**64, so the hash of a word is that of all that ends with it
# less that of all that ends before it, moved to the start.
BASE = np.uint64(0x9E3779B97F4A7C15)
INVERSE = np.uint64(pow(int(BASE), -1, 2**64))
SECOND = np.uint64(0xC2B2AE3D27D4EB4F)
IN_WORD = np.zeros(256, bool)
IN_WORD[[*b"abcdefghijklmnopqrstuvwxyz0123456789'", *range(0x80, 0x100)]] = True

Vectors = npt.NDArray[np.float32]
Keys = npt.NDArray[np.uint64]


def hashed(texts: Sequence[str]) -> Vectors:
    """Return unit vectors, float32 of shape [len(texts), WIDTH]; one without words is all zero."""
    found = np.zeros((len(texts), WIDTH), np.float32)
    for row, text in enumerate(texts):
        keys = _keys(text.lower().encode()[:LONGEST])
        distinct, counts = np.unique(keys, return_counts=True)
        signs = np.where(distinct & np.uint64(1), np.float32(1), np.float32(-1))
        places = (distinct >> np.uint64(32)) % np.uint64(WIDTH)
        np.add.at(
            found[row], places.astype(np.intp), signs * (1 + np.log(counts, dtype=np.float32))
        )
    lengths = np.sqrt(np.vecdot(found, found))[:, None]
    found /= np.maximum(lengths, np.float32(1e-9))
    return found


def _keys(data: bytes) -> Keys:
    """Return a hash of each word, and of each two words that follow each other."""
    letters = np.frombuffer(data, np.uint8)
    inside = np.concatenate([[False], IN_WORD[letters], [False]])
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return np.zeros(0, np.uint64)
    with np.errstate(over="ignore"):
        powers = np.cumprod(np.full(len(letters), BASE)) * INVERSE
        until = np.concatenate([[np.uint64(0)], np.cumsum((letters + np.uint64(1)) * powers)])
        back = np.cumprod(np.full(len(letters), INVERSE)) * BASE
        words = _mixed((until[ends] - until[starts]) * back[starts])
        pairs = _mixed(words[:-1] * SECOND + words[1:])
    return np.concatenate([words, pairs])


def _mixed(keys: Keys) -> Keys:
    """Spread what differs in some bits over all (the finaliser of MurmurHash3)."""
    keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return keys ^ (keys >> np.uint64(33))
