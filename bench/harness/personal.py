"""Marked personal data to measure with: the set, its split by template, and how much was found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from inhouse.guard.finding import Finding
from inhouse.guard.patterns import FORMS
from inhouse.guard.writing import Marked

TYPES = {
    "EMAIL_ADDRESS": "email", "DOMAIN_NAME": "url", "URL": "url", "IP_ADDRESS": "ip",
    "CREDIT_CARD": "card", "IBAN_CODE": "iban", "US_SSN": "ssn", "PHONE_NUMBER": "phone",
    "PERSON": "person", "STREET_ADDRESS": "address", "ZIP_CODE": "address", "GPE": "place",
    "ORGANIZATION": "organisation",
}  # fmt: skip
"""The types of the set and of Presidio by our names; the others keep theirs, in small letters."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Marked texts: those of seven tenths of the templates, and those of the others."""

    known: tuple[Marked, ...]
    held_out: tuple[Marked, ...]

    @property
    def all(self) -> tuple[Marked, ...]:
        """All of them."""
        return self.known + self.held_out


def read_texts(file: Path) -> Texts:
    """Read the set; a template's texts are all on one side, by the hash of its number."""
    known: list[Marked] = []
    held_out: list[Marked] = []
    for row in json.loads(file.read_text("utf-8")):
        spans = tuple(
            (span["start_position"], span["end_position"], our_type(span["entity_type"]))
            for span in row["spans"]
        )
        digest = sha256(str(row["template_id"]).encode()).hexdigest()
        side = held_out if int(digest, 16) % 10 < 3 else known
        side.append(Marked(row["full_text"], spans))
    return Texts(tuple(known), tuple(held_out))


def our_type(name: str) -> str:
    """Return what we call a type."""
    return TYPES.get(name, name.lower())


def of_form(texts: Sequence[Marked], found: Sequence[Iterable[Finding]]) -> tuple[float, float]:
    """Return recall and precision of the types that have a form; an overlap of a type counts."""
    wanted = hit = given = right = 0
    for text, findings in zip(texts, found, strict=True):
        marked = [span for span in text.spans if span[2] in FORMS]
        mine = [(f.start, f.end, f.type) for f in findings if f.type in FORMS]
        wanted, given = wanted + len(marked), given + len(mine)
        hit += sum(any(_meet(span, other) for other in mine) for span in marked)
        right += sum(any(_meet(span, other) for other in marked) for span in mine)
    return hit / wanted, right / given


def of_characters(
    texts: Sequence[Marked], found: Sequence[Iterable[Finding]]
) -> tuple[float, float]:
    """Return recall and precision of the characters of all that is marked, whatever the type."""
    wanted = given = both = 0
    for text, findings in zip(texts, found, strict=True):
        marked = {place for start, end, _ in text.spans for place in range(start, end)}
        mine = {place for f in findings for place in range(f.start, f.end)}
        wanted, given, both = wanted + len(marked), given + len(mine), both + len(marked & mine)
    return both / wanted, both / given


def _meet(one: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    return one[2] == other[2] and one[0] < other[1] and other[0] < one[1]
