"""Needles are always the same ones, stand where they should, and are counted by place."""

from __future__ import annotations

import pytest

from inhouse.core.errors import BadInput
from inhouse.evaluate.needle import needles, table

DOCUMENTS = [
    "\n\n".join(f"Paragraph {n} of text {text} says very little." for n in range(60))
    for text in range(4)
]


def test_needles_stand_where_they_should():
    made = needles(DOCUMENTS, lengths=(200, 500), depths=3, times=3)
    assert len(made) == 18
    assert {one.depth for one in made} == {0.0, 0.5, 1.0}
    for one in made:
        asked = one.text.rpartition("\n\n")[2]
        said = f"{asked} {one.choices[one.right]}."
        place = one.text.index(said) / (len(one.text) - len(said) - len(asked))
        assert abs(place - one.depth) < 0.1
        assert one.length * 4 * 0.85 < len(one.text) <= one.length * 4
        assert len(set(one.choices)) == 8


def test_those_of_a_length_stay_as_they_are():
    made = needles(DOCUMENTS, lengths=(200,), depths=1, times=4)
    assert made == needles(DOCUMENTS, lengths=(200, 225), depths=1, times=4)[: len(made)]
    assert len({one.text for one in made}) == 4


def test_marks_are_counted_by_place():
    marks = [
        {"depth": depth, "length": length, "right": float(length == 512 or depth == 1)}
        for depth in (1.0, 0.0)
        for length in (2048, 512)
        for _ in range(3)
    ]
    assert table(marks) == [["depth", "512", "2,048"], ["0%", "100%", "0%"], ["100%"] * 3]


@pytest.mark.parametrize("lengths", [(10**6,), (30,)])
def test_lengths_that_cannot_be(lengths: tuple[int, ...]):
    with pytest.raises(BadInput):
        needles(DOCUMENTS, lengths=lengths, depths=3, times=1)
