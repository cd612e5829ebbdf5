"""Test sets of a search, ``sections.jsonl`` and ``queries.jsonl``, as the documents they were.

Rows that follow each other under the same first heading are one document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile
from pathlib import Path

from inhouse.core.nouns import Document, Section
from inhouse.data.text import plain

OPENS_A_BLOCK = re.compile(r"^(?=\s*(?:```|~~~|<))", re.MULTILINE)
DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the ids of the sections that answer it."""

    text: str
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class TestSet:
    """Documents, the ids of the sections of each in order, and questions about them."""

    documents: Sequence[Document]
    ids: dict[str, list[str]]
    questions: Sequence[Question]

    def id_of(self, section: Section) -> str:
        """Return the id that the test set has for a section of its documents."""
        return self.ids[section.document][section.position]


def read_set(folder: Path, *, without: Collection[str] = ()) -> TestSet:
    """Read the test set in `folder`, without the sections that have these ids."""
    documents, ids = [], {}
    there = (row for row in _rows(folder / "sections.jsonl") if row["id"] not in without)
    together = groupby(there, key=_document)
    for number, ((title, _), group) in enumerate(together):
        rows = list(group)
        path = f"{number:05}.md"
        ids[path] = [row["id"] for row in rows]
        documents.append(Document(path, title, "".join(_markdown(rows)), "0" * 64))
    questions = [
        Question(row["query"], frozenset(row["relevant"]))
        for row in _rows(folder / "queries.jsonl")
    ]
    return TestSet(documents, ids, questions)


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _document(row: dict[str, str]) -> tuple[str, str]:
    """Return the title of a row's document, and its id if nothing says what it belongs to."""
    title = row["heading"].split(" > ")[0]
    return title, "" if title else row["id"]


def _markdown(rows: Sequence[dict[str, str]]) -> Iterator[str]:
    """Yield the sections of one document, each under the headings that are new."""
    before: list[str] = []
    for row in rows:
        names = row["heading"].split(" > ") if row["heading"] else []
        same = (old == new for old, new in zip(before, names[:-1], strict=False))
        shared = sum(takewhile(bool, same))
        for depth, name in enumerate(names[shared:], shared + 1):
            yield f"{'#' * min(depth, DEEPEST)} {name}\n\n"
        yield OPENS_A_BLOCK.sub(r"\\", plain(row["text"]).strip()) + "\n\n"
        before = names
