"""Which of the texts that a model wrote are kept: no copies, of the right class, something new.

Writing them is the business of `expand`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from inhouse.core.protocols import Classifier

COPY = 0.6
"""Texts that share so much of their runs of letters are near-copies."""
NEW = 0.3
"""So much of a text's pairs of words must be new to its class."""
LETTERS = 4
LONGER = 2.0
WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why a text is not kept: the rule, what was found, the limit, and the id of what it copies."""

    rule: str
    value: str = ""
    limit: str = ""
    copied: str = ""


class Sieve:
    """Judges texts one after the other; what is kept counts for the next."""

    def __init__(
        self,
        known: Iterable[tuple[str, str, str]],
        apart: Iterable[tuple[str, str]],
        classifier: Classifier | None,
    ) -> None:
        """Begin with what is there.

        Args:
            known: id, text and label of the examples that are gone by.
            apart: id and text of what nothing may copy, of test sets for example.
            classifier: checks labels; None where there are none.
        """
        known = list(known)
        self._classifier = classifier
        self._classes = list(classifier.classes) if classifier else []
        self._shapes = Shapes((*((id, text) for id, text, _ in known), *apart))
        self._pairs: dict[str, set[tuple[str, str]]] = {}
        for _, text, label in known:
            self._pairs.setdefault(label, set()).update(_pairs(text))
        lengths = [len(text) for _, text, _ in known]
        self._longest = int(LONGER * max(lengths, default=0))

    def judge(self, id: str, text: str, label: str) -> Rejected | None:
        """Return why a text is not kept; None if it is, and then it is known from now on."""
        if len(WORD.findall(text)) < 2 or len(text) > self._longest:
            return Rejected("length", str(len(text)), f"2 words to {self._longest} characters")
        copied, alike = self._shapes.nearest(text)
        if alike >= COPY:
            return Rejected("copy", f"{alike:.2f}", f"{COPY:g}", copied)
        if self._classifier:
            (likely,) = self._classifier.classify([text])
            best = int(likely.argmax())
            if self._classes[best] != label:
                return Rejected("label", f"{self._classes[best]} {likely[best]:.2f}", label)
        pairs, known = _pairs(text), self._pairs.setdefault(label, set())
        new = len(pairs - known) / len(pairs)
        if new < NEW:
            return Rejected("nothing new", f"{new:.2f}", f"{NEW:g}")
        self._shapes.add(id, text)
        known |= pairs
        return None


class Shapes:
    """Texts by their runs of letters, to find the one that is most alike."""

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        self._ids: list[str] = []
        self._sizes: list[int] = []
        self._where: dict[str, list[int]] = {}
        for id, text in texts:
            self.add(id, text)

    def add(self, id: str, text: str) -> None:
        """Remember a text."""
        runs = _runs(text)
        for run in runs:
            self._where.setdefault(run, []).append(len(self._ids))
        self._ids.append(id)
        self._sizes.append(len(runs))

    def nearest(self, text: str) -> tuple[str, float]:
        """Return the id of the text that is most alike, and how much of both they share (Jaccard).

        Without any text it is an empty id, and nothing.
        """
        runs = _runs(text)
        shared: dict[int, int] = {}
        for run in runs:
            for place in self._where.get(run, ()):
                shared[place] = shared.get(place, 0) + 1
        alike = {p: n / (len(runs) + self._sizes[p] - n) for p, n in shared.items()}
        best = max(alike, key=lambda place: (alike[place], -place), default=None)
        return ("", 0.0) if best is None else (self._ids[best], alike[best])


def _runs(text: str) -> set[str]:
    plain = " ".join(WORD.findall(text.lower()))
    return {plain[i : i + LETTERS] for i in range(max(1, len(plain) - LETTERS + 1))}


def _pairs(text: str) -> set[tuple[str, str]]:
    found = ["", *WORD.findall(text.lower()), ""]
    return set(pairwise(found))


def counted(rejected: Iterable[Rejected]) -> Mapping[str, int]:
    """Return how many were rejected by each rule."""
    found: dict[str, int] = {}
    for one in rejected:
        found[one.rule] = found.get(one.rule, 0) + 1
    return dict(sorted(found.items()))
