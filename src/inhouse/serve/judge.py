"""Judges whether a sentence stands in one of some sections, and on which part of it it rests.

It judges words, numbers and denials, not meaning: a sentence may use a section's words and still
get it wrong. What of an answer is let through for it is the business of `inhouse.serve.gate`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from inhouse.core.nouns import Hit
from inhouse.serve.claims import asks_exact, denies, exact, quoted, reverses
from inhouse.serve.quote import ENOUGH, basis, bounded, copied, nearest
from inhouse.serve.wording import UNSPACED, Span, core, stripped, words

CLOSE = 0.7
"""How high a section's score must be, next to the best, to bear out an answer."""

FEWEST_WORDS = 3
COPIED_WORDS = 4
TOLD = re.compile(rf"[{UNSPACED}]{{1,2}}|[^\W{UNSPACED}]+")
"""A word; two letters count as one in a script without spaces."""


class Judge:
    """Compares sentences with sections, which come best first.

    `enough` is the share of a sentence's words that must stand in one section. `owed` says whether
    an amount or a date is asked for, there, and not yet said.
    """

    def __init__(self, question: str, hits: Sequence[Hit], *, enough: float = ENOUGH) -> None:
        self._hits = {n: hit for n, hit in enumerate(hits, 1) if hit.score >= CLOSE * hits[0].score}
        self._enough = enough
        self._question = question
        self._words = {n: words(_titled(hit)) for n, hit in self._hits.items()}
        near = hits[0].passage[slice(*nearest(question, hits[0]))]
        self.owed = asks_exact(question) and bool(exact(near))

    def rests_on(self, sentence: str) -> tuple[int, Span] | None:
        """Return the number of the section that bears a sentence out, from 1, and where.

        The first must have a number or a day, if one is asked for and stands in the part of the
        best section that is nearest to the question.
        """
        rest = None if self.owed and not exact(sentence) else self._found(sentence)
        self.owed = self.owed and rest is None
        return rest

    def _found(self, sentence: str) -> tuple[int, Span] | None:
        for number, hit in self._hits.items():
            span = copied(sentence, hit.passage)
            if span and self._tells(sentence, hit):
                return number, span
        said = words(sentence)
        number = max(self._words, key=lambda number: len(said & self._words[number]))
        hit = self._hits[number]
        shared = said & self._words[number]
        known = words(f"{self._question} {' '.join(hit.section.headings)}")
        new = (shared - known) & words(hit.passage)
        if len(said) < FEWEST_WORDS or not new or len(shared) < self._enough * len(said):
            return None
        passage = _plain(hit.passage)
        if any(_plain(text) not in passage for text in quoted(sentence)):
            return None
        rest = basis(said, hit.passage)
        if contradicts(sentence, [hit.passage[slice(*span)] for span in rest]):
            return None
        whole = bounded((min(a for a, _ in rest), max(b for _, b in rest)), rest[0])
        return number, stripped(hit.passage, *whole)

    def _tells(self, copy: str, hit: Hit) -> bool:
        """Say whether a sentence of a section is long enough, and not what was asked."""
        known = [core(text).lower() for text in (self._question, *hit.section.headings)]
        told = core(copy)
        return len(TOLD.findall(told)) >= COPIED_WORDS and not any(
            told.lower() in text for text in known
        )


def contradicts(sentence: str, rest: Sequence[str]) -> bool:
    """Say whether a sentence has an amount or a day that what it rests on lacks, or denies it.

    It may deny what the first part denies, and may leave out no denial of any.
    """
    there = frozenset[str]().union(*map(exact, rest))
    agrees = denies(rest[0]) if denies(sentence) else not any(map(denies, rest))
    return not exact(sentence) <= there or not agrees or reverses(sentence, " ".join(rest))


def _plain(text: str) -> str:
    return core(text).lower().replace("’", "'")


def _titled(hit: Hit) -> str:
    return f"{' '.join(hit.section.headings)} {hit.passage}"
