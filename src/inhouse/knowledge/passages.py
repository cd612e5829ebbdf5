"""Sections to passages: pieces short enough for an embedding, each word for word in its section.

Which passages are embedded anew is the business of `index`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Scripts written without spaces count by the character, endless strings by the thirty.
_CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
WORD = re.compile(rf"[{_CJK}]|[^\s{_CJK}]{{1,30}}")
SENTENCE = re.compile(r"[^\n]*?(?:[.!?][\"'”’)\]*_]*(?=\s)|[。！？]|\n|\Z)")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a section, by places in its text; `key` stands for what is embedded of it."""

    section: int
    start: int
    stop: int
    key: bytes


def cut(text: str, words: int) -> list[tuple[int, int]]:
    """Return start and end of the passages of a text, in order and without overlap.

    Each has at most `words` words and no blank ends. Cuts fall between lines and sentences, and
    inside a sentence only if it alone is too long.
    """
    passages: list[tuple[int, int]] = []
    start = end = taken = 0
    for first, last, size in _pieces(text, words):
        if taken and taken + size > words:
            passages.append((start, end))
            taken = 0
        if not taken:
            start = first
        end = last
        taken += size
    return [*passages, (start, end)] if taken else passages


def _pieces(text: str, words: int) -> Iterator[tuple[int, int, int]]:
    """Yield start, end and number of words of sentences, or of parts of one that is too long."""
    for sentence in SENTENCE.finditer(text):
        found = [word.span() for word in WORD.finditer(text, *sentence.span())]
        for i in range(0, len(found), words):
            part = found[i : i + words]
            yield part[0][0], part[-1][1], len(part)
