"""Text as finders read it: without what looks like nothing, and with plain signs for their kin.

Word processors, PDFs and web pages write "é" as two characters, put soft hyphens and spaces without
a width into words, and keep numbers together by spaces and hyphens of their own.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from inhouse.guard.finding import Finding

_UNSEEN = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff"
_MARKS = "\u0300-\u034e\u0350-\u036f"
_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_HYPHENS = "\u2010\u2011"
_WIDE = "\uff01-\uff5e"
_ODD = re.compile(f"[^\\W\\d_][{_MARKS}]+|[{_UNSEEN}{_MARKS}]+|[{_SPACES}{_HYPHENS}{_WIDE}]")


class Folded:
    """A text as finders read it; `back` says where in the text as it is something stands."""

    def __init__(self, whole: str) -> None:
        self.text = whole
        self._here, self._there = [0], [0]
        if whole.isascii() or not _ODD.search(whole):
            return
        parts, last, size = list[str](), 0, 0
        for odd in _ODD.finditer(whole):
            plain = _plain(odd[0])
            parts += [whole[last : odd.start()], plain]
            size += odd.start() - last + len(plain)
            last = odd.end()
            self._here.append(size)
            self._there.append(last)
        self.text = "".join([*parts, whole[last:]])

    def back(self, findings: Iterable[Finding]) -> list[Finding]:
        """Return findings in it, by their places in the text as it is."""
        return [f._replace(start=self.place(f.start), end=self.place(f.end)) for f in findings]

    def place(self, here: int) -> int:
        """Return the place in the text as it is; what looks like nothing is with what precedes."""
        return _moved(here, self._here, self._there)

    def found_at(self, there: int) -> int:
        """Return the place in this text of one in the text as it is."""
        return min(_moved(there, self._there, self._here), len(self.text))


def _moved(place: int, known: Sequence[int], other: Sequence[int]) -> int:
    last = bisect_right(known, place) - 1
    return other[last] + place - known[last]


def _plain(odd: str) -> str:
    """Return what stands for odd characters: one for a letter, a space or a sign, else nothing."""
    if odd[0].isspace():
        return " "
    if odd in _HYPHENS:
        return "-"
    if "\uff01" <= odd[0] <= "\uff5e":
        return chr(ord(odd[0]) - 0xFEE0)
    if not odd[0].isalpha():
        return ""
    composed = unicodedata.normalize("NFC", odd)
    return composed if len(composed) == 1 else odd[0]
