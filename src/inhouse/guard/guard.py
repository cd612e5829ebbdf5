"""The guard of personal data: finders put together, and what they find made unambiguous."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from inhouse.guard.finding import TYPES, Finder, Finding, check_types, resolve
from inhouse.guard.patterns import FORMS, Patterns


@dataclass(frozen=True, slots=True)
class Guard:
    """Finds personal data with several finders; where findings overlap, the best one wins.

    `types` are those that count, None means all; a finding with a score below `least` does not.
    """

    finders: tuple[Finder, ...]
    types: frozenset[str] | None = None
    least: float = 0.5

    def find(self, text: str) -> list[Finding]:
        """Return what is found in a text, in its order and without overlaps."""
        return self.find_many([text])[0]

    def find_many(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return what is found in each text, in its order and without overlaps."""
        found = zip(*(finder.find_many(texts) for finder in self.finders), strict=True)
        return [
            resolve(text, [f for some in of_text for f in some if self._counts(f)])
            for text, of_text in zip(texts, found, strict=True)
        ]

    def _counts(self, finding: Finding) -> bool:
        return finding.score >= self.least and (self.types is None or finding.type in self.types)


def find(text: str) -> list[Finding]:
    """Return the personal data that the built-in finders see in a text."""
    return built_in().find(text)


@cache
def built_in(types: frozenset[str] | None = None, *, least: float = 0.5) -> Guard:
    """Return the guard with the built-in finders; the tagger only where a type needs it.

    Raises:
        BadInput: a type is not known.
    """
    check_types(types or ())
    wanted = frozenset(TYPES if types is None else types)
    patterns = Patterns(wanted & frozenset(FORMS))
    if wanted <= frozenset(FORMS):
        return Guard((patterns,), wanted, least)
    from inhouse.guard import tagger

    return Guard((patterns, tagger.built_in()), wanted, least)
