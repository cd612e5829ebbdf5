"""Pairs come from one section each, and a batch holds no section twice."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from inhouse.core.nouns import Document
from inhouse.knowledge.index import sections_of
from inhouse.train.pairs import Part, batches, parts

LEAVE = """\
# Leave

## Overview

Everybody has thirty days of leave a year. They run from April to March.

## Who approves leave?

Your team lead approves leave within two days. Ask in the calendar.
"""
TRAVEL = "# Travel\n\n## Overview\n\nTravel is booked by the desk. It takes two days or so.\n"


@st.composite
def some_sections(draw: st.DrawFn) -> list[Part]:
    """Return sections that each have a letter of their own and no other."""
    letters = "abcdefghijklmnopqrst"[: draw(st.integers(0, 20))]
    texts = st.lists(st.integers(1, 30), min_size=1, max_size=3)
    return [
        Part(
            document=draw(st.integers(0, 4)),
            headings=tuple(letter * size for size in draw(texts)),
            passages=[f"{letter * size}. {letter * 30}." for size in draw(texts)],
            alone=draw(st.booleans()),
        )
        for letter in letters
    ]


SECTIONS = some_sections()


def sections() -> list[Part]:
    texts = {"leave.md": ("Leave", LEAVE), "travel.md": ("Travel", TRAVEL)}
    documents = [Document(path, title, text, "0" * 64) for path, (title, text) in texts.items()]
    return parts(documents, sections_of)


def drawn(kind: str) -> set[tuple[str, str, str]]:
    found = (b for seed in range(40) for b in batches(sections(), 3, Random(seed)))
    return {(p.question, p.path, p.text) for batch in found for p in batch if p.kind == kind}


def test_a_heading_asks_for_the_text_under_it():
    assert (
        "Who approves leave?",
        "Leave",
        "Your team lead approves leave within two days. Ask in the calendar.",
    ) in drawn("heading")


def test_a_heading_that_stands_elsewhere_too_has_the_title_in_front():
    questions = {question for question, _, _ in drawn("heading")}
    assert questions == {"Leave Overview", "Travel Overview", "Who approves leave?"}


def test_a_sentence_asks_for_the_passage_it_was_taken_out_of():
    assert (
        "Everybody has thirty days of leave a year.",
        "Leave > Overview",
        "They run from April to March.",
    ) in drawn("sentence")


def test_the_same_chance_deals_the_same_batches():
    assert batches(sections(), 2, Random(7)) == batches(sections(), 2, Random(7))


@given(SECTIONS, st.integers(2, 8), st.integers(0, 9))
def test_both_sides_of_a_pair_come_from_one_section(
    found: list[Part], size: int, seed: int
) -> None:
    for pair in (pair for batch in batches(found, size, Random(seed)) for pair in batch):
        letters = {c for c in pair.question + pair.path + pair.text if c.isalpha()}
        assert len(letters) == 1
        assert found["abcdefghijklmnopqrst".index(*letters)].document == pair.document


@given(SECTIONS, st.integers(2, 8), st.integers(0, 9))
def test_batches_are_full_and_hold_a_section_once(found: list[Part], size: int, seed: int) -> None:
    dealt = batches(found, size, Random(seed))
    assert len(dealt) == 1 or all(len(batch) == size for batch in dealt)
    drawn = [pair.question[0] for batch in dealt for pair in batch]
    assert len(drawn) == len(set(drawn))
