"""A heading asks for the text under it; both are of one section, and a batch holds it once."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from inhouse.core.nouns import Document
from inhouse.knowledge.index import sections_of
from inhouse.train.pairs import Pair, Titled, batches, titled

LEAVE = """\
# Leave

All about leave.

## Overview

Everybody has thirty days of leave a year.

## Who approves leave?

Your team lead approves leave.
"""
TRAVEL = "# Travel\n\n## Overview\n\nTravel is booked by the desk.\n"


def sections() -> list[Titled]:
    texts = {"leave.md": ("Leave", LEAVE), "travel.md": ("Travel", TRAVEL)}
    documents = [Document(path, title, text, "0" * 64) for path, (title, text) in texts.items()]
    return titled(documents, sections_of)


def test_headings_below_the_title_ask_and_common_ones_with_the_title_in_front():
    (batch,) = batches(sections(), 8, Random(0))
    assert set(batch) == {
        Pair("Leave Overview", "Leave", "Everybody has thirty days of leave a year."),
        Pair("Who approves leave?", "Leave", "Your team lead approves leave."),
        Pair("Travel Overview", "Travel", "Travel is booked by the desk."),
    }


def test_the_same_chance_deals_the_same_batches():
    assert batches(sections(), 2, Random(7)) == batches(sections(), 2, Random(7))


@st.composite
def some_sections(draw: st.DrawFn) -> list[Titled]:
    """Return sections that each have a letter of their own and no other."""
    letters = "abcdefghijklmnopqrst"[: draw(st.integers(0, 20))]
    sizes = st.lists(st.integers(1, 9), min_size=1, max_size=3)
    return [
        Titled(draw(st.integers(0, 4)), letter, letter, [letter * size for size in draw(sizes)])
        for letter in letters
    ]


@given(some_sections(), st.integers(2, 8), st.integers(0, 9))
def test_both_sides_are_of_one_section_and_batches_hold_it_once(
    found: list[Titled], size: int, seed: int
):
    dealt = batches(found, size, Random(seed))
    pairs = [pair for batch in dealt for pair in batch]
    for pair in pairs:
        assert len(set(pair.question + pair.path + pair.text)) == 1
    assert len({pair.question for pair in pairs}) == len(pairs) <= len(found)
    assert len(dealt) == 1 or all(len(batch) == size for batch in dealt)
