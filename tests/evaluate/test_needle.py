"""Needles are always the same ones, stand where they should, and are counted by place."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from inhouse.core.errors import BadInput
from inhouse.evaluate.needle import by_likelihood, by_writing, measured, needles, rows

DOCUMENTS = [
    "\n\n".join(f"Paragraph {n} of text {text} says very little." for n in range(60))
    for text in range(4)
]


def test_needles_stand_where_they_should():
    made = needles(DOCUMENTS, lengths=(800, 2000), depths=(0.0, 0.5, 1.0), times=3)
    assert len(made) == 18
    for one in made:
        asked = one.text.rpartition("\n\n")[2]
        said = f"{asked}{one.choices[one.right]}."
        place = one.text.index(said) / (len(one.text) - len(said) - len(asked))
        assert abs(place - one.depth) < 0.1
        assert one.length * 0.85 < len(one.text) <= one.length
        assert len(set(one.choices)) == 8


def test_chance_hangs_on_the_seed_alone():
    made = needles(DOCUMENTS, lengths=(800,), depths=(0.5,))
    assert made == needles(DOCUMENTS, lengths=(800,), depths=(0.5,))
    assert made != needles(DOCUMENTS, lengths=(800,), depths=(0.5,), seed=1)
    assert made == needles(DOCUMENTS, lengths=(800, 900), depths=(0.5,))[: len(made)]


def test_who_reads_to_a_place_finds_what_stands_before_it():
    made = needles(DOCUMENTS, lengths=(800, 2000), depths=(0.0, 1.0), times=2)

    def told(text: str, endings: Sequence[str]) -> list[float]:
        question = text.rpartition("\n\n")[2]
        return [float(f"{question}{ending}." in text[-800:]) for ending in endings]

    found = measured(made, by_likelihood(told))
    assert found["table"] == [[1.0, pytest.approx(0.0, abs=0.5)], [1.0, 1.0]]
    assert rows(found)[0] == ["depth", "800", "2,000"]
    assert rows(found)[2] == ["100%", "100%", "100%"]


def test_what_is_written_counts_by_its_first_word():
    made = needles(DOCUMENTS, lengths=(800,), depths=(0.5,), times=2)
    right = {one.text: one.choices[one.right] for one in made}
    assert measured(made, by_writing(lambda text: f"{right[text].upper()}, yes"))["found"] == 1.0
    assert measured(made, by_writing(lambda text: ""))["found"] == 0.0


@pytest.mark.parametrize("lengths", [(10**6,), (120,), ()])
def test_lengths_that_cannot_be(lengths: tuple[int, ...]):
    with pytest.raises(BadInput):
        needles(DOCUMENTS, lengths=lengths)
