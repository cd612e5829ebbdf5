"""Pairs to learn from, found in documents alone: a heading, and the text that stands under it.

Nobody labels anything: whoever wrote the heading has said what the text answers. Learning from the
pairs is the business of `embed`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

from inhouse.core.nouns import Document

Cut = Callable[[Document], Iterable[tuple[tuple[str, ...], Sequence[str]]]]
"""``cut(document)``: of each section its headings, from the title on, and its passages."""

TOGETHER = 8


@dataclass(frozen=True, slots=True)
class Titled:
    """A section of the document of that number: what its heading asks, what stands above and below.

    `path` are the headings above its own, as an index puts them before a passage.
    """

    document: int
    question: str
    path: str
    passages: Sequence[str]


@dataclass(frozen=True, slots=True)
class Pair:
    """What might be asked, and what answers it: `text` under the headings `path`."""

    question: str
    path: str
    text: str


def titled(documents: Iterable[Document], cut: Cut) -> list[Titled]:
    """Return the sections of all documents that have a heading below the title, in order.

    A heading that stands in several places asks for nothing alone, so it has the title in front.
    """
    found = [
        (number, headings, passages)
        for number, document in enumerate(documents)
        for headings, passages in cut(document)
        if len(headings) > 1
    ]
    times = Counter(headings[-1].lower() for _, headings, _ in found)
    sections = []
    for number, (*above, own), passages in found:
        question = own if times[own.lower()] == 1 else f"{above[0]} {own}"
        sections.append(Titled(number, question, " > ".join(above), passages))
    return sections


def batches(sections: Sequence[Titled], size: int, rng: Random) -> list[list[Pair]]:
    """Draw a pair from each section and deal them out in batches, in chance order.

    In a batch the pairs answer each other's questions wrongly, so there a section stands once.
    Up to eight of one document stand together, since what is hard is to tell those apart. Only a
    single batch may have less than `size` pairs; what is left over is drawn another time.
    """
    drawn: dict[int, list[Pair]] = {}
    for section in sections:
        pair = Pair(section.question, section.path, rng.choice(section.passages))
        drawn.setdefault(section.document, []).append(pair)
    groups = []
    for pairs in drawn.values():
        rng.shuffle(pairs)
        groups += [pairs[i : i + TOGETHER] for i in range(0, len(pairs), TOGETHER)]
    rng.shuffle(groups)
    dealt = [pair for group in groups for pair in group]
    last = max(len(dealt) - size, 0)
    found = [dealt[i : i + size] for i in range(0, last + 1, size)]
    rng.shuffle(found)
    return found
