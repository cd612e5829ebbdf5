"""Judges texts by rules of counts and shares: Gopher, C4, FineWeb, and rules for code.

The rules are those of datatrove, asked in another order: a text breaks one of them or none, and the
cheap ones that say most come first. The thresholds are given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from inhouse.data.kernels import characters as c
from inhouse.data.kernels.characters import bits_of, decoded
from inhouse.data.kernels.compiled import compiled
from inhouse.data.kernels.lines import CURLY, LOREM_IPSUM, REWRITES, phrases, prose_lines
from inhouse.data.kernels.repetition import longer, repeated_lines, repeated_share, top_share
from inhouse.data.kernels.words import HAS_LETTER, HAS_WORD, number_of, rules, split

# Rules in the order in which they are asked; the thresholds come in the same order.
RULES = (
    "fewest_words",
    "most_words",
    "shortest_mean_word",
    "longest_mean_word",
    "most_hashes",
    "most_ellipses",
    "most_bullet_lines",
    "most_ellipsis_lines",
    "fewest_words_with_letters",
    "fewest_stop_words",
    "most_repeated_paragraphs",
    "most_repeated_paragraph_characters",
    "most_repeated_lines",
    "most_repeated_line_characters",
    "most_top_2_grams",
    "most_top_3_grams",
    "most_top_4_grams",
    "most_repeated_5_grams",
    "most_repeated_6_grams",
    "most_repeated_7_grams",
    "most_repeated_8_grams",
    "most_repeated_9_grams",
    "most_repeated_10_grams",
    "lorem_ipsum",
    "curly_bracket",
    "fewest_sentences",
    "fewest_ended_lines",
    "most_short_lines",
    "most_repeated_characters",
    "most_line_breaks",
    "longest_line",
    "longest_mean_line",
    "fewest_letters_and_digits",
)
(
    FEWEST_WORDS, MOST_WORDS, SHORTEST_WORD, LONGEST_WORD, HASHES, ELLIPSES, BULLETS,
    ELLIPSIS_LINES, WITH_LETTERS, STOP_WORDS,
    PARAGRAPHS, PARAGRAPH_CHARACTERS, LINES, LINE_CHARACTERS,
    TOP_2, _, _, REPEATED_5, _, _, _, _, _,
    LOREM, BRACKET, SENTENCES, ENDED, SHORT, REPEATED, BREAKS, LONGEST_LINE, MEAN_LINE,
    LETTERS_AND_DIGITS,
) = range(len(RULES))  # fmt: skip
KEPT = -1
STOPS = ("the", "be", "to", "of", "and", "that", "have", "with")
SHORT_LINE = 30
HASH, FULL_STOP, ELLIPSIS, BULLET, MINUS = 35, 46, 0x2026, 0x2022, 45


def judged(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int32],
    limits: npt.NDArray[np.float64],
    switches: npt.NDArray[np.bool_],
) -> tuple[Any, ...]:
    """Judge texts by the first rule that one breaks.

    Args:
        data: the texts as UTF-8, one behind the other.
        offsets: where each begins, of shape [texts + 1].
        limits: a threshold for each of `RULES`; NaN where a rule is not asked.
        switches: whether lines are rewritten; and then the rules of `lines` that change much.

    Returns:
        The number of the rule that each breaks or `KEPT`, int32; what was counted, float64; and
        the texts as they are now, as bytes and offsets, both empty if none is rewritten.
    """
    told = (*phrases(), switches)
    stops = np.array([number_of(word) for word in STOPS], np.uint64)
    return _judged(data, offsets, rules(), told, stops, limits)


@compiled
def _judged(data, offsets, rules, told, stops, limits):
    texts = len(offsets) - 1
    broken, values = np.full(texts, KEPT, np.int32), np.zeros(texts)
    rewrites = told[2][REWRITES]
    out = np.empty(offsets[-1] - offsets[0] if rewrites else 0, np.uint8)
    places, written = np.zeros(texts + 1 if rewrites else 0, np.int32), 0
    for text in range(texts):
        start, stop = offsets[text], offsets[text + 1]
        codes = np.empty(stop - start + 1, np.int32)
        size = decoded(data, start, stop, codes)
        rule, value, now = _judge(codes, size, rules, told, stops, limits)
        broken[text], values[text] = rule, value
        if rewrites:
            if rule == KEPT:
                written = _encode(now, out, written)
            places[text + 1] = written
    return broken, values, out[:written], places


@compiled
def _encode(codes, out, at):
    """Write characters as UTF-8; return where they end."""
    for code in codes:
        if code < 0x80:
            out[at] = code
            at += 1
        elif code < 0x800:
            out[at], out[at + 1] = 0xC0 | code >> 6, 0x80 | code & 0x3F
            at += 2
        elif code < 0x10000:
            out[at], out[at + 1] = 0xE0 | code >> 12, 0x80 | code >> 6 & 0x3F
            out[at + 2] = 0x80 | code & 0x3F
            at += 3
        else:
            out[at], out[at + 1] = 0xF0 | code >> 18, 0x80 | code >> 12 & 0x3F
            out[at + 2], out[at + 3] = 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
            at += 4
    return at


@compiled
def _judge(codes, size, rules, told, stops, limits):
    """Return the rule that a text breaks, what was counted, and the text as it is now."""
    bits = rules[0]
    keys = np.empty(4 * size + 64, np.uint64)
    words = _words(codes, size, rules)
    rule, value = _gopher(codes, size, bits, words, stops, limits)
    if rule == KEPT:
        rule, value = _repetition(codes, size, bits, words, limits, keys)
    now = codes[:size]
    if rule == KEPT and told[2][REWRITES]:
        now = np.empty(size + 1, np.int32)
        fate, many, sentences = prose_lines(codes, size, rules, told, words, now)
        now = now[:many]
        if fate == LOREM_IPSUM:
            rule = LOREM
        elif fate == CURLY:
            rule = BRACKET
        elif sentences < limits[SENTENCES]:
            rule, value = SENTENCES, sentences
        else:
            words = _words(now, len(now), rules)
    if rule == KEPT:
        rule, value = _fineweb(now, bits, len(words[0]), limits, keys)
    if rule == KEPT:
        rule, value = _code(now, bits, limits)
    return rule, value, now


@compiled
def _words(codes, size, rules):
    """Return the words of a text as `split` writes them."""
    ends, room = np.empty(size + 1, np.int32), size // 3 + 16
    while True:
        numbers, lengths = np.empty(room, np.uint64), np.empty(room, np.int32)
        kinds = np.empty(room, np.uint8)
        count = split(codes, size, rules, (numbers, lengths, kinds, ends))
        if count >= 0:
            return numbers[:count], lengths[:count], kinds[:count], ends
        room = size + 1


@compiled
def _repetition(codes, size, bits, words, limits, keys):
    first, last = 0, size
    while first < last and bits_of(bits, codes[first]) & c.SPACE:
        first += 1
    while last > first and bits_of(bits, codes[last - 1]) & c.SPACE:
        last -= 1
    many, again, characters = repeated_lines(codes, first, last, 2, True, keys)
    if again / many > limits[PARAGRAPHS]:
        return PARAGRAPHS, again / many
    if characters / max(size, 1) > limits[PARAGRAPH_CHARACTERS]:
        return PARAGRAPH_CHARACTERS, characters / size
    many, again, characters = repeated_lines(codes, 0, size, 1, True, keys)
    if again / many > limits[LINES]:
        return LINES, again / many
    if characters / max(size, 1) > limits[LINE_CHARACTERS]:
        return LINE_CHARACTERS, characters / size
    numbers, lengths, _, _ = words
    count = len(numbers)
    ends = np.zeros(count + 1, np.int64)
    for i in range(count):
        ends[i + 1] = ends[i] + lengths[i]
    grams = numbers.copy()
    times = np.empty(len(keys), np.int32)
    for n in range(2, 11):
        rule = TOP_2 + n - 2
        longer(grams, numbers, count, n)
        if np.isnan(limits[rule]) or count < n:
            continue
        if rule < REPEATED_5:
            characters = top_share(grams, ends, count, n, keys, times)
        else:
            characters = repeated_share(grams, ends, count, n, keys)
        if characters / size > limits[rule]:
            return rule, characters / size
    return KEPT, 0.0


@compiled
def _gopher(codes, size, bits, words, stops, limits):
    numbers, lengths, kinds, _ = words
    count = len(numbers)
    many, long, letters, found = 0, 0, 0, 0
    for i in range(count):
        if kinds[i] & HAS_WORD:
            many += 1
            long += lengths[i]
        letters += (kinds[i] & HAS_LETTER) != 0
        for stop in range(len(stops)):
            if numbers[i] == stops[stop]:
                found |= 1 << stop
    if many < limits[FEWEST_WORDS]:
        return FEWEST_WORDS, float(many)
    if many > limits[MOST_WORDS]:
        return MOST_WORDS, float(many)
    mean = long / max(many, 1)
    if mean < limits[SHORTEST_WORD]:
        return SHORTEST_WORD, mean
    if mean > limits[LONGEST_WORD]:
        return LONGEST_WORD, mean
    hashes, ellipses, lines, bullets, ended = _marks(codes, size, bits)
    if hashes / max(count, 1) > limits[HASHES]:
        return HASHES, hashes / count
    if ellipses / max(count, 1) > limits[ELLIPSES]:
        return ELLIPSES, ellipses / count
    if bullets / max(lines, 1) > limits[BULLETS]:
        return BULLETS, bullets / lines
    if ended / max(lines, 1) > limits[ELLIPSIS_LINES]:
        return ELLIPSIS_LINES, ended / lines
    if letters / max(count, 1) < limits[WITH_LETTERS]:
        return WITH_LETTERS, letters / max(count, 1)
    different = 0
    while found:
        different += found & 1
        found >>= 1
    if different < limits[STOP_WORDS]:
        return STOP_WORDS, float(different)
    return KEPT, 0.0


@compiled
def _marks(codes, size, bits):
    """Return hashes, ellipses, lines, lines that begin with a bullet or end with an ellipsis."""
    hashes, ellipses, lines, bullets, ended, start, skip = 0, 0, 0, 0, 0, 0, 0
    for i in range(size + 1):
        if i == size or bits_of(bits, codes[i]) & c.LINE_END:
            if i == size and start == size:
                break
            if i > start or i == size or not (codes[i] == 10 and i > 0 and codes[i - 1] == 13):
                lines += 1
                first, last = start, i
                while first < last and bits_of(bits, codes[first]) & c.SPACE:
                    first += 1
                while last > first and bits_of(bits, codes[last - 1]) & c.SPACE:
                    last -= 1
                bullets += first < last and (codes[first] == BULLET or codes[first] == MINUS)
                ended += _is_ellipsis(codes, first, last)
            start = i + 1
            continue
        hashes += codes[i] == HASH
        if codes[i] == ELLIPSIS:
            ellipses += 1
        elif i >= skip and i + 2 < size and _is_ellipsis(codes, i, i + 3):
            ellipses += 1
            skip = i + 3
    return hashes, ellipses, lines, bullets, ended


@compiled
def _is_ellipsis(codes, first, last):
    if last > first and codes[last - 1] == ELLIPSIS:
        return True
    three = last - first > 2 and codes[last - 1] == FULL_STOP
    return three and codes[last - 2] == FULL_STOP and codes[last - 3] == FULL_STOP


@compiled
def _fineweb(codes, bits, count, limits, keys):
    size = len(codes)
    lines, ended, short, breaks, start = 0, 0, 0, 0, 0
    for i in range(size + 1):
        if i == size or codes[i] == 10:
            breaks += i < size
            for at in range(start, i):
                if not bits_of(bits, codes[at]) & c.SPACE:
                    lines += 1
                    ended += (bits_of(bits, codes[i - 1]) & c.TERMINAL) != 0
                    short += i - start <= SHORT_LINE
                    break
            start = i + 1
    if ended / max(lines, 1) < limits[ENDED]:
        return ENDED, ended / max(lines, 1)
    if short / max(lines, 1) > limits[SHORT]:
        return SHORT, short / lines
    if not np.isnan(limits[REPEATED]):
        share = repeated_lines(codes, 0, size, 1, False, keys)[2] / max(size - breaks, 1)
        if share > limits[REPEATED]:
            return REPEATED, share
    if breaks / max(count, 1) > limits[BREAKS]:
        return BREAKS, breaks / max(count, 1)
    return KEPT, 0.0


@compiled
def _code(codes, bits, limits):
    """Judge by the lengths of lines and by letters, as is done for code (arXiv 2107.03374)."""
    size, longest, lines, letters, start = len(codes), 0, 0, 0, 0
    for i in range(size + 1):
        if i == size or codes[i] == 10:
            longest, lines, start = max(longest, i - start), lines + 1, i + 1
        else:
            letters += (bits_of(bits, codes[i]) & (c.LETTER | c.DIGIT)) != 0
    if longest > limits[LONGEST_LINE]:
        return LONGEST_LINE, float(longest)
    if size / lines > limits[MEAN_LINE]:
        return MEAN_LINE, size / lines
    if letters / max(size, 1) < limits[LETTERS_AND_DIGITS]:
        return LETTERS_AND_DIGITS, letters / max(size, 1)
    return KEPT, 0.0
