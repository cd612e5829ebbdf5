"""Ordinary prose without names, out of documents: a tagger has to see what is no personal data.

A line is taken if nothing in it can be a name: each word with a capital that does not begin a
sentence is elsewhere in the documents mostly written small, or is an abbreviation.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from inhouse.guard.lists import CITIES, COUNTRIES, FAMILY, GIVEN, NATIONALITIES
from inhouse.guard.patterns import Patterns
from inhouse.guard.writing import Marked

_WORD = re.compile(r"[^\W\d_]+")
_BEGINS = re.compile(r"(?:^|[.!?:]|^[\W_]+)[\s\W_]*$")
_USUAL = 0.2
_LONGEST = 500


def plain(documents: Sequence[str], *, seed: int = 0) -> list[Marked]:
    """Return texts of one to four lines of the documents, with nothing marked in them."""
    chance, names, usual = random.Random(seed), _names(), _usual(documents)
    patterns = Patterns()
    texts = []
    for document in documents:
        some: list[str] = []
        for line in document.splitlines():
            if _nameless(line, names, usual) and not patterns.find(line):
                some.append(line[:_LONGEST])
            if some and (len(some) > 3 or chance.random() < 0.5):
                texts.append(Marked("\n".join(some), ()))
                some = []
    return [text for text in texts if text.text.strip()]


def _nameless(line: str, names: frozenset[str], usual: frozenset[str]) -> bool:
    return all(word in usual and word not in names for word in _capitals(line))


def _capitals(line: str) -> Iterator[str]:
    for match in _WORD.finditer(line):
        word = match[0]
        if word.istitle() and len(word) > 1 and not _BEGINS.search(line[: match.start()]):
            yield word


def _usual(documents: Sequence[str]) -> frozenset[str]:
    """Return the words with a capital that are also common without one."""
    seen = Counter(word for document in documents for word in _WORD.findall(document))
    return frozenset(
        word
        for word, times in seen.items()
        if word.istitle() and seen[word.lower()] >= 2 and seen[word.lower()] > _USUAL * times
    )


def _names() -> frozenset[str]:
    places = [word for name in (*CITIES, *COUNTRIES, *NATIONALITIES) for word in name.split()]
    return frozenset([*GIVEN, *FAMILY, *places]) - {"Will", "Mark", "Bill", "New", "South", "May"}
