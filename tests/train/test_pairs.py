"""A heading asks for the text under it; both are of one section, and a batch holds it once."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from weakref import WeakSet

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
    return list(titled(documents, sections_of))


def test_headings_below_the_title_ask_and_common_ones_with_the_title_in_front():
    (batch,) = batches(sections(), 8, Random(0), most=9)
    assert set(batch) == {
        Pair("Leave Overview", "Leave", "Everybody has thirty days of leave a year."),
        Pair("Who approves leave?", "Leave", "Your team lead approves leave."),
        Pair("Travel Overview", "Travel", "Travel is booked by the desk."),
    }


def test_the_same_chance_deals_the_same_batches():
    one, two = (batches(sections(), 2, Random(7), most=9) for _ in range(2))
    assert one == two


@st.composite
def some_sections(draw: st.DrawFn) -> list[Titled]:
    """Return sections that each have a letter of their own and no other."""
    letters = "abcdefghijklmnopqrst"[: draw(st.integers(0, 20))]
    sizes = st.lists(st.integers(1, 9), min_size=1, max_size=3)
    documents = sorted(draw(st.integers(0, 4)) for _ in letters)
    return [
        Titled(document, (letter, letter), [letter * size for size in draw(sizes)])
        for document, letter in zip(documents, letters, strict=True)
    ]


@given(some_sections(), st.integers(2, 8), st.integers(0, 9), st.integers(1, 9))
def test_both_sides_are_of_one_section_and_batches_hold_it_once(
    found: list[Titled], size: int, seed: int, most: int
):
    dealt = batches(found, size, Random(seed), most=most)
    assert len(dealt) == max(min(len(found) // size, most), 1)
    pairs = [pair for batch in dealt for pair in batch]
    for pair in pairs:
        assert len(set(pair.question + pair.path + pair.text)) == 1
    assert len({pair.question for pair in pairs}) == len(pairs) <= len(found)
    assert len(dealt) == 1 or all(len(batch) == size for batch in dealt)


class Passage(str):
    """A text of which one can see whether it is still kept."""

    __slots__ = ("__weakref__",)


def test_no_more_is_kept_than_what_is_dealt():
    alive: WeakSet[Passage] = WeakSet()
    most_alive = 0

    def many() -> Iterator[Titled]:
        nonlocal most_alive
        for number in range(500):
            passages = [Passage(f"{number} {i}") for i in range(3)]
            for passage in passages:
                alive.add(passage)
            yield Titled(number, ("Title", f"Heading {number}"), passages)
            most_alive = max(most_alive, len(alive))

    dealt = batches(many(), 4, Random(1), most=5)
    assert [len(batch) for batch in dealt] == [4] * 5
    assert most_alive < 40
    numbers = sorted(int(pair.text.split()[0]) for batch in dealt for pair in batch)
    assert numbers[-1] > 250 > numbers[0]  # from all over, not the first ones
