"""Pairs to learn from, found in documents alone: a heading, and the text that stands under it.

Nobody labels anything: whoever wrote the heading has said what the text answers. Learning from the
pairs is the business of `embed`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import groupby
from random import Random

from inhouse.core.nouns import Document

Cut = Callable[[Document], Iterable[tuple[tuple[str, ...], Sequence[str]]]]
"""``cut(document)``: of each section its headings, from the title on, and its passages."""

TOGETHER = 8


@dataclass(frozen=True, slots=True)
class Titled:
    """A section of the document of that number: its headings from the title on, and its passages.

    There is one heading at least below the title.
    """

    document: int
    headings: tuple[str, ...]
    passages: Sequence[str]


@dataclass(frozen=True, slots=True)
class Pair:
    """What might be asked, and what answers it: `text` under the headings `path`.

    An index puts the path and the section's own heading before a passage. Here its own is left
    out: it is the question, and who finds it in the answer need not learn what the text says.
    """

    question: str
    path: str
    text: str


def titled(documents: Iterable[Document], cut: Cut) -> Iterator[Titled]:
    """Yield the sections of all documents that have a heading below the title, in order."""
    for number, document in enumerate(documents):
        for headings, passages in cut(document):
            if len(headings) > 1:
                yield Titled(number, headings, passages)


def batches(sections: Iterable[Titled], size: int, rng: Random, *, most: int) -> list[list[Pair]]:
    """Draw a pair from each section and deal them out in at most `most` batches, in chance order.

    In a batch the pairs answer each other's questions wrongly, so there a section stands once.
    Up to eight of one document stand together, since what is hard is to tell those apart. Only a
    single batch may have less than `size` pairs; what is left over is drawn another time.

    `sections` come document by document; of them all, no more is kept than what is dealt.
    A heading that stands in several places asks for nothing alone, so it has the title in front.
    """
    times: Counter[str] = Counter()
    kept: list[tuple[float, int, list[_Drawn]]] = []
    dealt = 0
    for number, group in enumerate(_groups(sections, rng, times)):
        # Sorting by chance is shuffling, and what comes last can be let go of on the way.
        heappush(kept, (-rng.random(), number, group))
        dealt += len(group)
        while dealt - len(kept[0][2]) >= most * size:
            dealt -= len(heappop(kept)[2])
    pairs = [_pair(drawn, times) for _, _, group in sorted(kept) for drawn in group]
    last = max(min(len(pairs), most * size) - size, 0)
    found = [pairs[i : i + size] for i in range(0, last + 1, size)]
    rng.shuffle(found)
    return found


_Drawn = tuple[tuple[str, ...], str]
"""The headings of a section and one of its passages."""


def _groups(sections: Iterable[Titled], rng: Random, times: Counter[str]) -> Iterator[list[_Drawn]]:
    """Yield what is drawn from each document, in groups by chance; count headings in `times`."""
    for _, of_one in groupby(sections, key=lambda section: section.document):
        drawn = []
        for section in of_one:
            times[section.headings[-1].lower()] += 1
            drawn.append((section.headings, rng.choice(section.passages)))
        rng.shuffle(drawn)
        yield from (drawn[i : i + TOGETHER] for i in range(0, len(drawn), TOGETHER))


def _pair(drawn: _Drawn, times: Counter[str]) -> Pair:
    (*above, own), text = drawn
    question = own if times[own.lower()] == 1 else f"{above[0]} {own}"
    return Pair(question, " > ".join(above), text)
