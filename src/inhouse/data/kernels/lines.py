"""The line rules of C4: lines that are no prose go, and the text is written anew.

Raffel et al., arXiv 1910.10683, counted as datatrove counts them. These rules change texts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from inhouse.data.kernels import characters as c
from inhouse.data.kernels.characters import bits_of
from inhouse.data.kernels.compiled import compiled
from inhouse.data.kernels.words import ALL_PUNCTUATION, ENDS_SENTENCE, split

POLICIES = (
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies",
    "use cookies",
)  # fmt: skip
LONGEST_WORD = 1000
FEWEST_WORDS = 3

KEPT, LOREM_IPSUM, CURLY = 0, 1, 2

# Switches: whether lines are rewritten at all, and the rules that change much.
REWRITES, TERMINAL, JAVASCRIPT, BRACKETS = 0, 1, 2, 3


def phrases() -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the phrases to look for, as one array of characters and where each begins.

    First "lorem ipsum", then "javascript", "[edit]" and "[citation needed]", then the policies.
    """
    found = ("lorem ipsum", "javascript", "[edit]", "[citation needed]", *POLICIES)
    codes = np.array([ord(character) for phrase in found for character in phrase], np.int32)
    return codes, np.cumsum([0, *map(len, found)]).astype(np.int32)


@compiled
def _at(codes, at, stop, phrases, which):
    """Say whether a phrase stands at a place, in letters of either case."""
    letters, begins, _ = phrases
    width = begins[which + 1] - begins[which]
    if at + width > stop:
        return False
    for i in range(width):
        code = codes[at + i]
        code = code + 32 if 65 <= code <= 90 else code
        if code != letters[begins[which] + i]:
            return False
    return True


@compiled
def _holds(codes, start, stop, phrases, which):
    first = phrases[0][phrases[1][which]]
    for i in range(start, stop):
        if (codes[i] | 32) == first and _at(codes, i, stop, phrases, which):
            return True
    return False


@compiled
def _uncited(codes, start, stop, phrases, out, begin):
    """Write a line without its citations; return where it ends."""
    i = start
    while i < stop:
        skipped = 0
        if codes[i] == 91:  # [
            end = i + 1
            while end < stop and 48 <= codes[end] <= 57:
                end += 1
            if end < stop and codes[end] == 93:
                skipped = end + 1 - i
            elif _at(codes, i, stop, phrases, 2) and codes[i + 1] == 101:
                skipped = 6
            elif _at(codes, i, stop, phrases, 3) and codes[i + 1] == 99:
                skipped = 17
        if skipped:
            i += skipped
        else:
            out[begin] = codes[i]
            begin += 1
            i += 1
    return begin


@compiled
def _words(codes, bits, start, stop):
    """Return how many words stand between spaces, and how long the longest is."""
    many, longest, begin = 0, 0, start
    for i in range(start, stop + 1):
        if i == stop or bits_of(bits, codes[i]) & c.SPACE:
            if i > begin:
                many += 1
                longest = max(longest, i - begin)
            begin = i + 1
    return many, longest


@compiled
def _sentences(codes, start, stop, rules, words):
    """Return how many sentences a line has."""
    count = split(codes[start:stop], stop - start, rules, words)
    kinds = words[2]
    many, over = (1, False) if count else (0, False)
    for i in range(count):
        ending = kinds[i] & ENDS_SENTENCE
        if over and not ending and not kinds[i] & ALL_PUNCTUATION:
            many, over = many + 1, False
        elif ending:
            over = True
    return many


@compiled
def prose_lines(codes, size, rules, told, words, out):
    """Write the lines of a text that are prose to `out`.

    `told` are the `phrases`, and switches for the rules that change much.

    Returns what became of it, how many characters were written, and how many sentences they are.
    """
    bits, phrases, switches = rules[0], told, told[2]
    written, sentences, start, at = 0, 0, 0, 0
    while at <= size:
        if at < size and not bits_of(bits, codes[at]) & c.LINE_END:
            at += 1
            continue
        begin, stop = start, at
        start = at = at + 1
        while begin < stop and bits_of(bits, codes[begin]) & c.SPACE:
            begin += 1
        while stop > begin and bits_of(bits, codes[stop - 1]) & c.SPACE:
            stop -= 1
        many, longest = _words(codes, bits, begin, stop)
        if longest > LONGEST_WORD:
            continue
        line = written + 1 if written else 0
        end = _uncited(codes, begin, stop, phrases, out, line)
        if switches[TERMINAL] and not _ends_well(out, line, end):
            continue
        if many < FEWEST_WORDS:
            continue
        if _holds(out, line, end, phrases, 0):
            return LOREM_IPSUM, 0, 0
        if switches[JAVASCRIPT] and _holds(out, line, end, phrases, 1):
            continue
        if switches[BRACKETS]:
            for i in range(line, end):
                if out[i] == 123:
                    return CURLY, 0, 0
        policy = False
        for which in range(4, len(phrases[1]) - 1):
            policy = policy or _holds(out, line, end, phrases, which)
        if policy:
            continue
        sentences += _sentences(out, line, end, rules, words)
        if line:
            out[line - 1] = 10
        written = end
    return KEPT, written, sentences


@compiled
def _ends_well(codes, start, stop):
    if stop == start:
        return False
    if stop - start > 2 and codes[stop - 1] == 46 and codes[stop - 2] == 46 == codes[stop - 3]:
        return False
    last = codes[stop - 1]
    return last == 46 or last == 63 or last == 33 or last == 34 or last == 39
