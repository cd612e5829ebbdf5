"""Words of a text and the clues by which a tagger tells names from other words.

A clue is a hashed number: the word itself, its beginnings and endings, its shape, those of its
neighbours, and a few pairs. There is no list of names. Each word's own clues are worked out once
and remembered; those of a text are then put together by numpy.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from zlib import crc32

import numpy as np
import numpy.typing as npt

BITS = 16
CLUES = 1 << BITS
"""How many numbers there are for clues; what the hash throws together is learned together."""

WORD = re.compile(r"[^\W_]+|\n|[^\w\s]|_")

_OWN = 12
_SEEN_AT = ((-2, (0, 1)), (-1, (0, 1, 4, 5)), (0, range(_OWN)), (1, (0, 1, 4, 5)), (2, (0, 1)))
"""Which of a word's own clues are seen from a word so many places away."""

_PAIRS = ((-1, 1, 0, 1), (0, 1, 1, 1), (-1, 0, 0, 1), (0, 1, 1, 0), (-2, 0, -1, 0), (-1, 1, 1, 1))
"""Pairs of clues: place and number of the one, place and number of the other."""

_MIXED = re.compile(r"\d+")
_ODD = np.uint32(2654435761)
_REMEMBERED = 200_000

Clues = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Words:
    """The words of some texts one after another; text `t` has `lengths[t]` of them."""

    starts: list[int]
    ends: list[int]
    lengths: list[int]
    clues: Clues
    """uint32 of shape [words, clues of a word], each below `CLUES`."""


class Reader:
    """Splits texts into words and gives the clues of each; remembers the words it has seen."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._forget()

    def _forget(self) -> None:
        self._numbers: dict[str, int] = {}
        self._own = np.zeros((1, _OWN), np.uint32)
        self._own[0] = [crc32(f"edge {i}".encode()) for i in range(_OWN)]

    def read(self, texts: Sequence[str]) -> Words:
        """Return the words of the texts with their clues; several threads may ask at once."""
        with self._lock:
            return self._read(texts)

    def _read(self, texts: Sequence[str]) -> Words:
        if len(self._numbers) > _REMEMBERED:
            self._forget()
        starts: list[int] = []
        ends: list[int] = []
        lengths: list[int] = []
        numbers: list[int] = []
        for text in texts:
            before = len(numbers)
            for match in WORD.finditer(text):
                start, end = match.span()
                starts.append(start)
                ends.append(end)
                numbers.append(self._number(match[0]))
            lengths.append(len(numbers) - before)
        return Words(starts, ends, lengths, self._clues(numbers, lengths))

    def _number(self, word: str) -> int:
        number = self._numbers.get(word)
        if number is None:
            number = self._numbers[word] = len(self._numbers) + 1
            if number == len(self._own):
                self._own = np.concatenate([self._own, np.zeros((number + 256, _OWN), np.uint32)])
            self._own[number] = own_clues(word)
        return number

    def _clues(self, numbers: Sequence[int], lengths: Sequence[int]) -> Clues:
        # Two edges stand before and after each text, so that no text sees its neighbours.
        sizes = np.asarray(lengths, np.int64)
        places = np.arange(len(numbers)) + np.repeat(np.arange(len(sizes)) * 2 + 2, sizes)
        padded = np.zeros(len(numbers) + 2 * len(sizes) + 2, np.int64)
        padded[places] = numbers
        own = self._own[padded]
        columns = []
        for place, which in _SEEN_AT:
            for clue in which:
                columns.append(own[places + place, clue] + np.uint32(place * 7919 & 0xFFFFFFFF))
        for here, clue, there, other in _PAIRS:
            columns.append(
                own[places + here, clue] * np.uint32(31)
                + own[places + there, other]
                + np.uint32(here)
                if here >= 0
                else own[places + here, clue] * np.uint32(37) - own[places + there, other]
            )
        mixed = np.stack(columns, axis=1)
        mixed ^= mixed >> np.uint32(15)
        mixed *= _ODD
        return mixed >> np.uint32(32 - BITS)


def own_clues(word: str) -> list[int]:
    """Return the clues of a word by itself, as numbers of 32 bits."""
    small = word.lower()
    shape = _shape(word)
    said = (
        f"w {small}", f"s {shape}", f"b1 {small[:1]}", f"b2 {small[:2]}", f"e2 {small[-2:]}",
        f"e3 {small[-3:]}", f"b3 {small[:3]}", f"e1 {small[-1:]}", f"e4 {small[-4:]}",
        f"n {shape[:1]} {min(len(word), 9)}", f"s e {shape[:2]} {small[-2:]}", f"W {word}",
    )  # fmt: skip
    return [crc32(clue.encode()) for clue in said]


def _shape(word: str) -> str:
    if word.isdecimal():
        return f"9{min(len(word), 6)}"
    if not word.isalpha():
        return word if len(word) == 1 else _MIXED.sub("9", re.sub(r"[^\W\d]+", "a", word))[:6]
    if word.islower():
        return "a" if word.isascii() else "á"
    if word.isupper():
        return "A1" if len(word) == 1 else "AA"
    plain = "" if word.isascii() else "´"
    return ("Aa" if word[0].isupper() and word[1:].islower() else "aA") + plain
