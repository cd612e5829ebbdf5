"""Text as it looks: without what looks like nothing, and with plain signs for their kin.

Word processors, PDFs and web pages write "é" as two characters, put soft hyphens and spaces without
a width into words, and keep numbers together by spaces and hyphens of their own.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

from inhouse.guard.finding import Finding

_UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\U000e0000-\U000e007f"
)
_MARKS = "\u0300-\u034e\u0350-\u036f"
_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_HYPHENS = "\u2010-\u2013\u2212"
_WIDE = "\uff01-\uff5e"
_NOTHING = re.compile(f"[{_UNSEEN}{_MARKS}]")
_ODD = re.compile(f"[^\\W\\d_][{_MARKS}]+|[{_UNSEEN}{_MARKS}]+|[{_SPACES}{_HYPHENS}{_WIDE}]")


class View:
    """A text as it is, or with `folded` as it looks; places in it stand for some in the text."""

    def __init__(self, whole: str, *, folded: bool = False) -> None:
        self.text = whole
        self._here, self._there = [0], [0]
        if not folded:
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
        last = bisect_right(self._here, here) - 1
        return self._there[last] + here - self._here[last]

    def found_at(self, there: int) -> int:
        """Return the place in this text of one in the text as it is."""
        last = bisect_right(self._there, there) - 1
        ends = self._here[last + 1] if last + 1 < len(self._here) else len(self.text)
        return min(self._here[last] + there - self._there[last], ends)


def views(text: str) -> list[View]:
    """Return a text as it is, and as it looks if that is something else.

    Both are looked at: what is put into a word to hide it goes in the one, and what parts two words
    without being seen parts them in the other.
    """
    odd = not text.isascii() and _ODD.search(text)
    return [View(text), View(text, folded=True)] if odd else [View(text)]


def as_seen(
    texts: Sequence[str], find_many: Callable[[Sequence[str]], list[list[Finding]]]
) -> list[list[Finding]]:
    """Return what is found in each text as it is and as it looks; findings may overlap."""
    seen = [views(text) for text in texts]
    found = iter(find_many([view.text for some in seen for view in some]))
    return [[one for view in some for one in view.back(next(found))] for some in seen]


def _plain(odd: str) -> str:
    """Return what stands for odd characters: one for a letter, a space or a sign, else nothing."""
    if _NOTHING.match(odd):
        return ""
    if odd.isspace():
        return " "
    if "\uff01" <= odd <= "\uff5e":
        return chr(ord(odd) - 0xFEE0)
    if len(odd) == 1:
        return "-"
    composed = unicodedata.normalize("NFC", odd)
    return composed if len(composed) == 1 else odd[0]
