"""Findings: what of a text is personal data, and which finding wins where two overlap.

How something is found is the business of the finders beside it; what happens to what was found,
that of `operations`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from inhouse.core.errors import BadInput, nearest

CHECKED = ("email", "url", "ip", "card", "iban", "ssn")
"""Types whose form says what they are; a looser finding gives way to them."""

TYPES = (*CHECKED, "phone", "person", "address", "organisation", "place")
"""The types that the built-in finders know; a tagger of one's own may know others."""

PERSONAL = ("email", "ip", "card", "iban", "ssn", "phone", "person", "address")
"""Types that tell of a person by themselves: what is hidden if nobody says what."""

_EDGES = " \t\r\n,;:.-|/\"'()[]<>"


class Finding(NamedTuple):
    """Characters `start` to `end` of a text are personal data of a type; `score` is in 0..1."""

    start: int
    end: int
    type: str
    score: float


class Finder(Protocol):
    """Finds personal data in texts."""

    def find_many(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return what is found in each text, in any order; findings may overlap."""
        ...


def check_types(types: Iterable[str]) -> None:
    """Make sure that these are types of personal data.

    Raises:
        BadInput: one is not.
    """
    for kind in types:
        if kind not in TYPES:
            near = nearest(kind, TYPES)
            hint = f"Did you mean {near!r}?" if near else f"Known: {', '.join(TYPES)}."
            raise BadInput(f"There is no type of personal data {kind!r}.", hint)


def resolve(text: str, findings: Iterable[Finding]) -> list[Finding]:
    """Return findings that do not overlap, in the order of the text.

    A checked form wins over a loose one, then the longer one over the shorter, then the surer.
    What a winner leaves of a loser stays found, so that no character is lost.
    """
    kept: list[Finding] = []  # in the order of the text, so that only neighbours are compared
    for finding in sorted(findings, key=_strength, reverse=True):
        for piece in _remainder(text, finding, _overlapping(kept, finding)):
            insort(kept, piece)
    return kept


def _strength(finding: Finding) -> tuple[bool, int, float]:
    return finding.type in CHECKED, finding.end - finding.start, finding.score


def _overlapping(kept: Sequence[Finding], finding: Finding) -> Sequence[Finding]:
    first = bisect_left(kept, finding.start, key=_start)
    if first and kept[first - 1].end > finding.start:
        first -= 1
    return kept[first : bisect_left(kept, finding.end, key=_start)]


def _start(finding: Finding) -> int:
    return finding.start


def _remainder(text: str, finding: Finding, kept: Sequence[Finding]) -> list[Finding]:
    free = [(finding.start, finding.end)]
    for taken in kept:
        free = [
            piece
            for start, end in free
            for piece in ((start, min(end, taken.start)), (max(start, taken.end), end))
            if piece[0] < piece[1]
        ]
    if free == [(finding.start, finding.end)]:
        return [finding]
    trimmed = [_trimmed(text, start, end) for start, end in free]
    return [finding._replace(start=start, end=end) for start, end in trimmed if end - start > 1]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start] in _EDGES:
        start += 1
    while start < end and text[end - 1] in _EDGES:
        end -= 1
    return start, end
