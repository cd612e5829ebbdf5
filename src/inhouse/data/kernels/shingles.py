"""What texts are compared by: the runs of words in them, and MinHash signatures of those.

Letters count in lower case and without accents, any number as 0 unless numbers count, and all else
parts words.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from inhouse.data.kernels.characters import KNOWN, decoded
from inhouse.data.kernels.compiled import compiled
from inhouse.data.kernels.words import PRIME, SEED

ZERO = ord("0")
HALF = np.uint64(32)


@cache
def folded(numbers: bool = False) -> npt.NDArray[np.int32]:
    """Return what each character counts as, int32 of shape [KNOWN]; 0 if it parts words.

    Where `numbers` count, digits have codes that no letter has, and are no `ZERO`.
    """
    found = np.zeros(KNOWN, np.int32)
    for code in range(KNOWN):
        character = chr(code)
        category = unicodedata.category(character)
        if category == "Nd":
            found[code] = unicodedata.decimal(character) + 1 if numbers else ZERO
        elif category[0] in "LN" or category == "Mn":
            plain = unicodedata.normalize("NFD", character.lower())[:1]
            found[code] = -1 if category == "Mn" else ord(plain)
    return found


@cache
def factors(hashes: int, seed: int) -> npt.NDArray[np.uint64]:
    """Return the factors and summands of so many hash functions, uint64 of shape [2, hashes]."""
    chance = np.random.Generator(np.random.PCG64(seed))
    return chance.integers(1, 2**64, (2, hashes), np.uint64) | np.uint64(1)


@compiled
def shingles(data, offsets, words, plain, like):
    """Return the runs of `words` words in each text: numbers and where those of a text begin.

    Args:
        data: the texts as UTF-8, uint8.
        offsets: where each begins, int32 of shape [texts + 1].
        words: how many words a run has; a text of fewer words is one run.
        plain: what characters count as, from `folded`.
        like: an array of the type that the numbers are to have: uint32 or uint64.

    Returns:
        The numbers, sorted within a text and each one once; and int64 of shape [texts + 1].
    """
    texts = len(offsets) - 1
    found = np.empty((offsets[-1] - offsets[0]) // 2 + texts + 1, like.dtype)
    places = np.zeros(texts + 1, np.int64)
    for text in range(texts):
        start, stop = offsets[text], offsets[text + 1]
        codes = np.empty(stop - start + 1, np.int32)
        size = decoded(data, start, stop, codes)
        first = places[text]
        last = _runs(codes, size, words, plain, found, first)
        found[first:last].sort()
        kept = first
        for i in range(first, last):
            if i == first or found[i] != found[kept - 1]:
                found[kept] = found[i]
                kept += 1
        places[text + 1] = kept
    return found[: places[texts]].copy(), places


@compiled
def _runs(codes, size, words, plain, found, at):
    """Write the runs of words of a text; return where they end."""
    ring = np.zeros(words, np.uint64)
    many, number, inside, digit = 0, SEED, False, False
    codes[size] = 32
    for i in range(size + 1):
        code = plain[codes[i]] if codes[i] < KNOWN else codes[i]
        if code > 0:
            # A number of many digits counts as one of them.
            if not (code == ZERO and digit):
                number = (number ^ np.uint64(code)) * PRIME
            inside, digit = True, code == ZERO
        elif code == 0 and inside:
            ring[many % words] = number
            many += 1
            number, inside, digit = SEED, False, False
            if many >= words:
                found[at] = _run(ring, many, words)
                at += 1
    if 0 < many < words:
        found[at] = _run(ring, many, many)
        at += 1
    return at


@compiled
def _run(ring, many, words):
    number = SEED
    for i in range(many - words, many):
        number = (number ^ ring[i % len(ring)]) * PRIME
        number ^= number >> HALF
    number *= PRIME
    return number ^ (number >> HALF)


@compiled
def signatures(found, places, factors, bands):
    """Return the bands of a MinHash signature for each text, uint64 of shape [bands, texts].

    Two texts agree in a band with the probability of their Jaccard similarity to the power of the
    hashes in a band (Broder 1997). A text without any run has the number of its place: it is like
    no other.
    """
    hashes = factors.shape[1]
    each = hashes // bands
    texts = len(places) - 1
    out = np.empty((bands, texts), np.uint64)
    least = np.empty(hashes, np.uint64)
    for text in range(texts):
        least[:] = np.uint64(0xFFFFFFFFFFFFFFFF)
        for i in range(places[text], places[text + 1]):
            number = np.uint64(found[i])
            for h in range(hashes):
                # Dietzfelbinger's multiply-shift; the upper half is what is compared.
                value = (factors[0, h] * number + factors[1, h]) >> HALF
                least[h] = min(least[h], value)
        for band in range(bands):
            key = SEED + np.uint64(band)
            for h in range(band * each, (band + 1) * each):
                key = (key ^ least[h]) * PRIME
                key ^= key >> HALF
            out[band, text] = key
    return out


@compiled
def similarity(left, right):
    """Return the Jaccard similarity of two sorted sets of numbers."""
    i, j, both = 0, 0, 0
    while i < len(left) and j < len(right):
        if left[i] == right[j]:
            both += 1
            i += 1
            j += 1
        elif left[i] < right[j]:
            i += 1
        else:
            j += 1
    whole = len(left) + len(right) - both
    return both / whole if whole else 0.0
