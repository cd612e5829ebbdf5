"""Pairs to learn from, found in documents alone: what might be asked, and the text that answers.

Nobody labels anything: a heading asks for the text under it, and a sentence for the passage it was
taken out of (the inverse cloze task; Lee et al., arXiv 1906.00300). Learning from the pairs is the
business of `embed`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from inhouse.core.nouns import Document

Kind = Literal["heading", "sentence"]
Cut = Callable[[Document], Iterable[tuple[tuple[str, ...], Sequence[str]]]]
"""``cut(document)``: of each section its headings, from the title on, and its passages."""

SENTENCE = re.compile(r"[^\n.!?。！？]+[.!?。！？]*")
SHORTEST, LONGEST = 20, 300
KEPT = 0.1
TOGETHER = 8


@dataclass(frozen=True, slots=True)
class Part:
    """A section to draw pairs from; `document` counts documents, `alone` if its heading is one."""

    document: int
    headings: tuple[str, ...]
    passages: Sequence[str]
    alone: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """What might be asked, and what answers it: `text` under the headings `path`."""

    kind: Kind
    document: int
    question: str
    path: str
    text: str


def parts(documents: Iterable[Document], cut: Cut) -> list[Part]:
    """Return the sections of all documents, in order."""
    found = [
        (number, headings, passages)
        for number, document in enumerate(documents)
        for headings, passages in cut(document)
    ]
    times = Counter(headings[-1].lower() for _, headings, _ in found)
    return [
        Part(number, headings, passages, times[headings[-1].lower()] == 1)
        for number, headings, passages in found
    ]


def batches(sections: Sequence[Part], size: int, rng: Random) -> list[list[Pair]]:
    """Draw at most one pair from each section and deal them out in batches, in chance order.

    In a batch the pairs answer each other's questions wrongly, so there a section stands once.
    Up to eight of one document stand together, since what is hard is to tell those apart. Only a
    single batch may have less than `size` pairs; what is left over is drawn another time.
    """
    drawn: dict[int, list[Pair]] = {}
    for section in sections:
        for pair in _draw(section, rng):
            drawn.setdefault(pair.document, []).append(pair)
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


def _draw(section: Part, rng: Random) -> Iterator[Pair]:
    """Yield a pair of one of the kinds that the section has, if it has any."""
    *above, own = section.headings
    passage = rng.choice(section.passages)
    found: list[Pair] = []
    if above:
        # A heading that stands elsewhere too asks for nothing without the title.
        question = own if section.alone else f"{above[0]} {own}"
        found.append(Pair("heading", section.document, question, " > ".join(above), passage))
    sentences = [s.strip() for s in SENTENCE.findall(passage)]
    fitting = [s for s in sentences if SHORTEST <= len(s) <= LONGEST]
    if fitting and len(sentences) > 1:
        question = rng.choice(fitting)
        rest = passage if rng.random() < KEPT else passage.replace(question, " ", 1)
        path = " > ".join(section.headings)
        found.append(Pair("sentence", section.document, question, path, rest.strip()))
    if found:
        yield rng.choice(found)
