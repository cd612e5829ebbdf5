"""Chooses the part of a section to show: what answers a question, or bears out a sentence.

A part is a span of a passage, so that it can be shown word for word.
"""

from __future__ import annotations

from collections.abc import Sequence

from inhouse.core.nouns import Hit
from inhouse.serve.wording import Span, core, parts, stripped, words

ENOUGH = 0.65
"""Share of a sentence's words that must stand in one section."""

QUOTED_WORDS = 60
LONGEST_QUOTE = 1_500
"""Letters of a quotation that is put together from several parts."""

NEARLY = 0.75
"""Share of the words that the nearest part has with a question, which an earlier one must have."""


def spans(question: str, hits: Sequence[Hit]) -> dict[int, Span]:
    """Return for each section, by number from 1, the part that is nearest to a question."""
    return {number: nearest(question, hit) for number, hit in enumerate(hits, 1)}


def nearest(question: str, hit: Hit) -> Span:
    """Return where the part of a section stands that is nearest to a question.

    A section whose heading nearly is the question answers it from its beginning.
    """
    asked = words(question)
    return quotation(frozenset() if _asked_by_heading(asked, hit) else asked, hit.passage)


def quotation(question: frozenset[str], passage: str) -> Span:
    """Return where the first part of a passage stands that shares nearly most with a question.

    It begins with a sentence or a whole block of code and ends with a paragraph, if that is not
    long, but never with a colon.
    """
    pieces = list(parts(passage)) or [(0, len(passage))]
    # An example uses the words of a question more often than it answers it.
    shared = [
        len(question & words(passage[a:b])) / (2 if passage[a : a + 1] in "`~" else 1)
        for a, b in pieces
    ]
    first = next(n for n, share in enumerate(shared) if share >= NEARLY * max(shared))
    start, end = pieces[first]
    for _, next_end in pieces[first + 1 :]:
        gap = passage[end:next_end].lstrip(" ")
        so_far = len(passage[start:end].split())
        open_ended = passage[start:end].rstrip("*_` ").endswith(":")
        ended = gap.startswith("\n\n") and so_far > 12 and not open_ended
        if ended or so_far + len(gap.split()) > QUOTED_WORDS * (1 + open_ended):
            break
        end = next_end
    return stripped(passage, start, end)


def basis(said: frozenset[str], passage: str) -> list[Span]:
    """Return where the parts of a passage stand that hold the words of a sentence.

    Those that hold most of them come first, until enough are held.
    """
    wanted = said & words(passage)
    missing, chosen = wanted, []
    pieces = [(span, words(passage[slice(*span)])) for span in parts(passage)]
    for span, held in sorted(pieces, key=lambda piece: -len(wanted & piece[1])):
        if len(missing) > (1 - ENOUGH) * len(wanted) and held & missing:
            chosen.append(span)
            missing -= held
    return chosen or [(0, len(passage))]


def copied(sentence: str, passage: str) -> Span | None:
    """Return where a passage has exactly this sentence, whole; None if it has not."""
    wanted = core(sentence)
    for start, end in parts(passage):
        if core(passage[start:end]) == wanted:
            return stripped(passage, start, end)
    return None


def bounded(span: Span, part: Span) -> Span:
    """Return a span, or the part of it that matters most where it is too long to be quoted."""
    return span if span[1] - span[0] <= LONGEST_QUOTE else part


def _asked_by_heading(asked: frozenset[str], hit: Hit) -> bool:
    """Say whether most of a question stands above a section, and half of it in its own heading."""
    headings = hit.section.headings
    own, whole = words("".join(headings[-1:])), words(" ".join(headings))
    begins = hit.section.text.lstrip().startswith(hit.passage.lstrip())
    return (
        begins and len(asked & whole) >= ENOUGH * len(asked) and 2 * len(asked & own) >= len(asked)
    )
