"""Parts texts into words the way spaCy does for English, since quality rules count its words.

Of spaCy's exceptions the contractions, the common abbreviations and a few smileys are known.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from inhouse.data.kernels import characters as c
from inhouse.data.kernels.characters import bits_of
from inhouse.data.kernels.compiled import compiled, inlined

HAS_LETTER = np.uint8(1)
HAS_WORD = np.uint8(2)  # something in it is no symbol
ALL_PUNCTUATION = np.uint8(4)
ENDS_SENTENCE = np.uint8(8)

SEED = np.uint64(0xCBF29CE484222325)
PRIME = np.uint64(0x100000001B3)
LONGEST_SPECIAL = 10
LONGEST_JOINED = 6

UNITS = (
    "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s "
    "km/h kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K %"
)
# The stop belongs to them.
ABBREVIATIONS = (
    "a.m. p.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. "
    "Ltd. Md. Messrs. Mo. Mont. Mr. Mrs. Ms. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s. Ave. Blvd. "
    "Jan. Feb. Mar. Apr. Jun. Jul. Aug. Sep. Sept. Oct. Nov. Dec. "
    "Ala. Ariz. Ark. Calif. Colo. Conn. Del. Fla. Ga. Ia. Id. Ill. Ind. Kan. Kans. Ky. La. Mass. "
    "Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Okla. Ore. Pa. S.C. Tenn. "
    "Va. Wash. Wis. C++ o.o 0.0 O.O"
)
SMILEYS = "): :) :( (: :* :] [: ;) 8) :-) :-( ;-) :') '' and/or"
ASKING = "who what when where why how there that this"
PERSONS = "i you he she it we they"
VERBS = (
    "ai ca could do does did had may might must need ought sha should wo would are is was were "
    "have has dare"
)
# Words that only look like a contraction without its apostrophe.
WORDS = "ill its hell shell shed were well whore"


def number_of(word: str) -> int:
    """Return the number that stands for a word."""
    number = int(SEED)
    for character in word:
        number = ((number ^ ord(character)) * int(PRIME)) & 0xFFFFFFFFFFFFFFFF
    return number


@cache
def specials() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
    """Return the numbers of words with rules of their own, sorted, and where each is parted.

    uint64 and int32, both of shape [words]; a word that stays whole is parted at 0.
    """
    found = {word: 0 for word in (*ABBREVIATIONS.split(), *SMILEYS.split())}
    found |= {f"{chr(letter)}.": 0 for letter in range(ord("a"), ord("z") + 1)}
    found |= {"cannot": 3, "Cannot": 3, "gonna": 3, "gotta": 3, "Gonna": 3, "Gotta": 3}
    stems: list[tuple[str, tuple[str, ...]]] = [("i", ("'m", "m"))]
    stems += [(stem, ("'ll", "ll", "'d", "d", "'ve", "ve")) for stem in PERSONS.split()]
    stems += [(stem, ("'re", "re")) for stem in ("you", "we", "they")]
    stems += [(stem, ("'s", "s")) for stem in ("he", "she", "it")]
    stems += [
        (stem, ("'s", "s", "'ll", "ll", "'d", "d", "'re", "re", "'ve", "ve"))
        for stem in ASKING.split()
    ]
    stems += [(stem, ("n't", "nt")) for stem in VERBS.split()]
    for stem, endings in stems:
        for ending in endings:
            for word in (stem, stem.capitalize()):
                for apostrophe in ("'", "’"):
                    whole = word + ending.replace("'", apostrophe)
                    if whole.lower() not in WORDS.split():
                        found[whole] = len(word)
    ordered = sorted((number_of(word), at) for word, at in found.items())
    numbers, places = zip(*ordered, strict=True)
    return np.array(numbers, np.uint64), np.array(places, np.int32)


@cache
def units() -> npt.NDArray[np.uint64]:
    """Return the numbers of units, sorted, uint64 of shape [units]."""
    return np.array(sorted(number_of(unit) for unit in UNITS.split()), np.uint64)


@cache
def rules() -> tuple[Any, ...]:
    """Return what `split` needs to know: the table of characters, `specials` and `units`."""
    return (c.table(), *specials(), units())


@inlined
def _number(codes, start, stop):
    number = SEED
    for i in range(start, stop):
        number = (number ^ np.uint64(codes[i])) * PRIME
    return number


@compiled
def _find(numbers, number):
    """Return the place of a number in a sorted array, or -1."""
    low, high = 0, len(numbers)
    while low < high:
        middle = (low + high) >> 1
        if numbers[middle] < number:
            low = middle + 1
        else:
            high = middle
    return low if low < len(numbers) and numbers[low] == number else -1


@compiled
def _special(codes, start, stop, known):
    """Return the place of a word among those with rules of their own, or -1."""
    if not 2 <= stop - start <= LONGEST_SPECIAL:
        return -1
    return _find(known, _number(codes, start, stop))


@compiled
def _prefix(codes, bits, start, stop):
    """Return how many characters part from the beginning."""
    code = codes[start]
    if code == 46:  # .
        end = start
        while end < stop and codes[end] == 46:
            end += 1
        return end - start if end - start > 1 else 0
    if code == 43:  # +
        digit = start + 1 < stop and bits_of(bits, codes[start + 1]) & c.DIGIT
        return 0 if digit else 1
    return 1 if bits_of(bits, code) & c.PREFIX else 0


@compiled
def _stop_suffix(codes, bits, start, stop):
    """Return how many full stops part from the end."""
    begin = stop - 1
    while begin > start and codes[begin - 1] == 46:
        begin -= 1
    if stop - begin > 1:
        return stop - begin
    if stop - 1 <= start:
        return 0
    before = bits_of(bits, codes[stop - 2])
    if before & c.BEFORE_STOP:
        return 1
    two = stop - 2 > start and before & c.UPPER and bits_of(bits, codes[stop - 3]) & c.UPPER
    return 1 if two else 0


@compiled
def _suffix(codes, bits, start, stop, measures):
    """Return how many characters part from the end."""
    if start >= stop:
        return 0
    last = codes[stop - 1]
    if last == 46:
        return _stop_suffix(codes, bits, start, stop)
    found = bits_of(bits, last)
    if (last == 115 or last == 83) and stop - start > 1:  # 's
        before = codes[stop - 2]
        if before == 39 or before == 0x2019:
            return 2
    if found & c.SUFFIX:
        return 1
    for width in range(min(4, stop - start - 1), 0, -1):
        if bits_of(bits, codes[stop - width - 1]) & c.DIGIT:
            if width == 1 and (last == 43 or found & c.CURRENCY):
                return 1
            if _find(measures, _number(codes, stop - width, stop)) >= 0:
                return width
    return 0


@compiled
def _infix(codes, bits, at, start, stop):
    """Return how many characters at a place in a word stand between two parts of it."""
    code = codes[at]
    here = bits_of(bits, code)
    if code == 46 and at + 1 < stop and codes[at + 1] == 46:
        end = at
        while end < stop and codes[end] == 46:
            end += 1
        return end - at
    if code == 0x2026 or here & c.ICON:
        return 1
    if here & (c.LETTER | c.DIGIT) or at == start or at + 1 >= stop:
        return 0
    before, behind = bits_of(bits, codes[at - 1]), bits_of(bits, codes[at + 1])
    sign = code == 43 or code == 45 or code == 42 or code == 94
    if sign and before & c.DIGIT and (behind & c.DIGIT or codes[at + 1] == 45):
        return 1
    if code == 46:
        return 1 if before & (c.LOWER | c.QUOTE) and behind & (c.UPPER | c.QUOTE) else 0
    if code == 44 and before & c.LETTER and behind & c.LETTER:
        return 1
    if not before & (c.LETTER | c.DIGIT):
        return 0
    if code == 58 or code == 60 or code == 62 or code == 61 or code == 47:
        return 1 if behind & c.LETTER else 0
    if code == 45 or code == 0x2013 or code == 0x2014 or code == 126:
        end = at + 1
        while end < stop and end - at < 3 and codes[end] == code and code != 126 and code != 0x2013:
            end += 1
        return end - at if end < stop and bits_of(bits, codes[end]) & c.LETTER else 0
    return 0


@compiled
def _is_address(codes, bits, start, stop):
    """Say whether a word is the address of a page: a scheme or none, a host, a port, a path."""
    at = start
    for i in range(start, min(stop - 2, start + 20)):
        if codes[i] == 58 and codes[i + 1] == 47 and codes[i + 2] == 47:
            at = i + 3
            break
        if not bits_of(bits, codes[i]) & (c.LETTER | c.DIGIT):
            break
    label, last, dots = at, at, 0
    while at < stop:
        code = codes[at]
        here = bits_of(bits, code)
        if code == 46:
            if at == label or codes[at - 1] == 45:
                return False
            dots, label, last = dots + 1, at + 1, at + 1
        elif code == 64 and at > start:  # what stood before was the user's name
            dots, label, last = 0, at + 1, at + 1
        elif not (here & (c.LETTER | c.DIGIT) or code == 45 or code == 95):
            break
        at += 1
    if not dots or at - last < 2:
        return False
    for i in range(last, at):
        if not bits_of(bits, codes[i]) & c.LOWER:
            return False
    if at < stop and codes[at] == 58:
        at += 1
        while at < stop and bits_of(bits, codes[at]) & c.DIGIT:
            at += 1
    return at == stop or codes[at] == 47 or codes[at] == 63 or codes[at] == 35


@compiled
def _put(codes, bits, start, stop, words, count):
    """Write a word; return how many there are, or -1 if there is no room."""
    numbers, lengths, kinds, _ = words
    if count < 0 or count >= len(numbers):
        return -1
    kind = ALL_PUNCTUATION
    for i in range(start, stop):
        here = bits_of(bits, codes[i])
        if here & c.LETTER:
            kind |= HAS_LETTER
        if not here & c.SYMBOL:
            kind |= HAS_WORD
        if not here & c.PUNCTUATION:
            kind &= ~ALL_PUNCTUATION
    if stop - start == 1 and bits_of(bits, codes[start]) & c.SENTENCE_END:
        kind |= ENDS_SENTENCE
    numbers[count] = _number(codes, start, stop)
    lengths[count] = stop - start
    kinds[count] = kind
    return count + 1


@compiled
def _middle(codes, start, stop, rules, words, count):
    """Part what is left between prefixes and suffixes."""
    bits, known, places, _ = rules
    special = _special(codes, start, stop, known)
    if special >= 0:
        if places[special]:
            between = start + places[special]
            count = _put(codes, bits, start, between, words, count)
            return _put(codes, bits, between, stop, words, count)
        return _put(codes, bits, start, stop, words, count)
    begin, at, address = start, start, -1
    while at < stop:
        width = _infix(codes, bits, at, start, stop)
        if width and at > start:
            if address < 0:  # asked only where something would part it
                address = 1 if _is_address(codes, bits, start, stop) else 0
            if address:
                break
            if at > begin:
                count = _put(codes, bits, begin, at, words, count)
            count = _put(codes, bits, at, at + width, words, count)
            begin = at + width
        at += max(width, 1)
    if begin < stop:
        count = _put(codes, bits, begin, stop, words, count)
    return count


@compiled
def _chunk(codes, start, stop, rules, words, count):
    """Part what stands between two spaces."""
    bits, known, _, measures = rules
    ends = words[3]
    suffixes, size, first, begun = 0, -1, count, start
    while start < stop and stop - start != size:
        if _special(codes, start, stop, known) >= 0:
            break
        size = stop - start
        before = _prefix(codes, bits, start, stop)
        if before and _special(codes, start + before, stop, known) >= 0:
            count = _put(codes, bits, start, start + before, words, count)
            start += before
            break
        behind = _suffix(codes, bits, start + before, stop, measures)
        if behind and _special(codes, start, stop - behind, known) >= 0:
            before = 0
        if before:
            count = _put(codes, bits, start, start + before, words, count)
            start += before
        if behind:
            ends[suffixes] = stop
            suffixes += 1
            stop -= behind
    if start < stop:
        count = _middle(codes, start, stop, rules, words, count)
    begin = stop
    for i in range(suffixes - 1, -1, -1):
        count = _put(codes, bits, begin, ends[i], words, count)
        begin = ends[i]
    return _joined(codes, begun, rules, words, first, count)


@compiled
def _joined(codes, start, rules, words, first, count):
    """Put together again what makes a word that stays whole, though rules have parted it."""
    numbers, lengths, kinds, _ = words
    bits, known, places, _ = rules
    if count - first < 2:
        return count
    left, at = first, first
    while at < count:
        wide, many = 0, 1
        for more in range(3, 1, -1):
            if at + more > count:
                continue
            width = 0
            for i in range(at, at + more):
                width += lengths[i]
            if width <= LONGEST_JOINED:
                special = _special(codes, start, start + width, known)
                if special >= 0 and places[special] == 0:
                    wide, many = width, more
                    break
        if wide:
            _put(codes, bits, start, start + wide, words, left)
        else:
            numbers[left], lengths[left], kinds[left] = numbers[at], lengths[at], kinds[at]
            wide = lengths[at]
        start += wide
        at += many
        left += 1
    return left


@compiled
def split(codes, size, rules, words):
    """Part a text into words; return how many there are, or -1 if there is no room for them.

    Args:
        codes: the characters, int32; the first `size` count.
        size: how many characters there are.
        rules: what `rules` returns.
        words: numbers uint64, lengths int32 and kinds uint8, to be written; and int32 of shape
            [size + 1] for its own use.
    """
    bits, count, start = rules[0], 0, 0
    for i in range(size + 1):
        if i == size or bits_of(bits, codes[i]) & c.SPACE:
            if i > start:
                count = _chunk(codes, start, i, rules, words, count)
                if count < 0:
                    return -1
            start = i + 1
    return count
