"""What of an answer stands in the sections, and what is said where nothing does."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serve_world import section

from inhouse.core.artifact import Ref
from inhouse.core.nouns import Hit
from inhouse.serve.citation import cite
from inhouse.serve.gate import Gate, Trust
from inhouse.serve.quote import basis, nearest, quotation
from inhouse.serve.wording import stripped, words

SOURCE = Ref.parse("data/handbook@abcd")
DIGITS = re.compile(r"\d+").findall
PARKING = "Visitors park in the yard behind the mill, next to the old crane."
LEAVE = "Parents get ten weeks of paid leave. They tell their manager a month before."


def hit(heading: str, text: str, score: float = 0.8) -> Hit:
    return Hit(section(SOURCE, 0, heading, text), text, score)


QUESTION = "Where do visitors park?"
HITS = [hit("Where do visitors park?", PARKING), hit("Parental leave", LEAVE)]


def said(answer: str, question: str = QUESTION, size: int = 3) -> list[str]:
    return pieces(Gate(question, HITS), answer, size)


def pieces(gate: Gate, answer: str, size: int) -> list[str]:
    heard: list[str] = []
    for start in range(0, len(answer), size):
        heard += gate.push(answer[start : start + size])
    return [*heard, *gate.finish()]


def test_a_borne_out_sentence_passes_with_its_number() -> None:
    assert said("Visitors park in the yard behind the mill.") == [
        "Visitors park in the yard behind the mill. [1]"
    ]


def test_an_invented_sentence_is_left_out() -> None:
    heard = said("Visitors park behind the mill in the yard. The fee is nine euros per hour there.")
    assert heard == ["Visitors park behind the mill in the yard. [1]"]


def test_an_invented_number_is_left_out() -> None:
    question = "How long is leave?"
    assert said("Parents get 12 weeks of paid leave.", question) == []
    assert said("Parents get weeks of paid leave on Friday.", question) == []


def test_a_denial_is_left_out() -> None:
    assert said("Visitors cannot park in the yard behind the mill.") == []


def test_a_model_that_finds_no_answer_is_heard() -> None:
    gate = Gate(QUESTION, HITS)
    assert not [*gate.push("The documents do not say where visitors park. "), *gate.finish()]
    assert gate.abstained
    assert gate.spans == {}


def test_said_twice_is_said_once() -> None:
    sentence = "Visitors park in the yard behind the mill. "
    assert len(said(sentence * 5)) == 1


def test_the_question_again_is_no_answer() -> None:
    assert said("Where do visitors park? Visitors park.") == []


def test_a_model_that_lost_its_way_is_not_waited_for() -> None:
    gate = Gate(QUESTION, HITS)
    assert not list(gate.push("The moon is made of cheese. Elephants never forget a face. V"))
    assert gate.closed
    assert not list(gate.push("isitors park in the yard behind the mill. "))
    assert not list(gate.finish())
    assert not gate.abstained


def test_a_section_that_hardly_fits_bears_out_nothing() -> None:
    far = [HITS[0], hit("Parental leave", LEAVE, score=0.1)]
    gate = Gate(QUESTION, far)
    assert not [*gate.push("Parents get ten weeks of paid leave. "), *gate.finish()]


def test_what_is_said_rests_on_a_span_of_its_section() -> None:
    gate = Gate("How long is leave?", HITS)
    assert list(gate.push("They tell their manager a month before leave. P"))
    assert spanned(gate) == {2: "They tell their manager a month before."}
    assert list(gate.push("arents get ten weeks paid. O"))
    assert spanned(gate) == {2: LEAVE}


def test_a_quotation_need_not_be_said_again() -> None:
    gate = Gate(QUESTION, HITS)
    assert gate.quote() == f"{PARKING} [1]"
    assert spanned(gate) == {1: PARKING}
    assert not list(gate.push("Visitors park in the yard behind the mill. "))


def test_sentences_stand_apart_and_nothing_trails() -> None:
    heard = said("Visitors park in the yard. The old crane stands behind the mill. ")
    assert "".join(heard) == (
        "Visitors park in the yard. [1] The old crane stands behind the mill. [1]"
    )


def test_beside_a_quotation_every_word_must_stand_in_the_section() -> None:
    leave = "Parents get ten weeks of paid leave, and that holds for all of them alike."
    text = f"{leave}\n\nManagers are told first."
    for sentence, heard in (
        ("Managers are told of the leave first.", 1),
        ("Managers of the company are told of the leave first.", 0),
        ("Parents get ten weeks of paid leave first.", 0),
    ):
        gate = Gate("How long is leave?", [hit("Leave", text)], enough=1.0)
        assert "Managers" not in gate.quote()
        assert len([*gate.push(sentence), *gate.finish()]) == heard, sentence


def test_a_trusted_model_says_what_it_likes() -> None:
    gate = Trust(QUESTION, HITS)
    assert "".join([*gate.push("The moon. "), *gate.finish()]) == "The moon. "
    assert spanned(gate) == {1: PARKING, 2: LEAVE}
    assert not gate.closed


def test_the_section_that_was_found_first_is_quoted() -> None:
    gate = Gate("How long is parental leave?", HITS)
    assert gate.quote() == f"{PARKING} [1]"


def test_a_trusted_model_names_no_section_that_there_is_not() -> None:
    for said, heard in (
        ("The bonus is 5 [9].", "The bonus is 5."),
        ("The bonus is 5 [2, 9] or 6 [1].", "The bonus is 5 [2] or 6 [1]."),
        ("Take `args[9]` 【3†leave.md】 here.", "Take `args[9]` here."),
        ("An open [ stays", "An open [ stays"),
        ("And [1", "And [1"),
    ):
        for size in (1, 3, len(said)):
            gate = Trust(QUESTION, HITS)
            assert "".join(pieces(gate, said, size)) == heard


def test_what_does_not_end_is_not_waited_for() -> None:
    gate = Gate(QUESTION, HITS)
    assert not list(gate.push("visitors park " * 100))
    assert gate.closed


def spanned(gate: Gate) -> dict[int, str]:
    return {n: HITS[n - 1].passage[slice(*span)] for n, span in gate.spans.items()}


@pytest.mark.parametrize(
    ("passage", "expected"),
    [
        ("First. Second one about parking. Third.", "Second one about parking. Third."),
        (
            "Some words.\n\n```sh\nmake parking now\n```\n\nMore of it.",
            "```sh\nmake parking now\n```\n\nMore of it.",
        ),
        (
            "Parking is for everybody who comes here with a car or a lorry or a bus.\n\nOther.",
            "Parking is for everybody who comes here with a car or a lorry or a bus.",
        ),
        ("For parking:\n\n- one\n- two", "For parking:\n\n- one\n- two"),
        ("```\nnever closed parking", "```\nnever closed parking"),
        ("...", "..."),
    ],
)
def test_a_quotation_begins_where_it_fits(passage: str, expected: str) -> None:
    assert passage[slice(*quotation(words("parking"), passage))] == expected


def test_a_section_whose_heading_is_the_question_is_quoted_from_its_start() -> None:
    text = "The rate is 75 dollars an hour. Some offer visitors of the mill less in the yard."
    for question, heading, first in (
        ("How much should visitors of the mill get?", "How much should visitors get?", "The rate"),
        (
            "Which visitors in the yard are paid less?",
            "How much should visitors get?",
            "Some offer",
        ),
        ("What do visitors in the yard get?", "", "Some offer"),
        ("What do visitors of the mill get?", "Visitors", "Some offer"),
    ):
        start, _ = nearest(question, hit(heading, text))
        assert text[start:].startswith(first), question


def test_the_earliest_of_nearly_equal_parts_is_quoted() -> None:
    text = "First. Ana feeds the old cat. Ben feeds the old cat well."
    start, _ = quotation(words("feeds old cat well"), text)
    assert text[start:].startswith("Ana")


@given(st.text(alphabet="ab .!?\n`~#", max_size=200), st.text(max_size=40))
def test_spans_stay_inside(passage: str, question: str) -> None:
    asked = words(question)
    for start, end in (quotation(asked, passage), *basis(asked, passage)):
        assert 0 <= start <= end <= len(passage)
        assert stripped(passage, *quotation(asked, passage)) == quotation(asked, passage)


@given(st.text(max_size=300), st.integers(1, 20))
def test_nothing_unsupported_gets_through(answer: str, size: int) -> None:
    for text in said(answer, size=size):
        assert text.endswith(("[1]", "[2]"))


SAID = (
    "Visitors park |in the yard| behind the mill|. |.|[1]| [7]|[1, 12]|Parents get ten weeks"
    "| of paid leave|【2†x】|According to [3], |\n|\n\n|They tell their manager| a month before"
    "| [|2]|休暇は三十日です。|? | not"
)
FRAGMENTS = st.lists(st.sampled_from(SAID.split("|")), max_size=25).map("".join)


@given(FRAGMENTS, FRAGMENTS, st.integers(1, 9), st.booleans())
def test_every_number_resolves_and_every_quote_stands_in_its_section(
    answer: str, more: str, size: int, checked: bool
) -> None:
    hits = [*HITS, hit("More", f"{more} and that is all.", 0.75)]
    gate = Gate(QUESTION, hits) if checked else Trust(QUESTION, hits)
    heard = "".join(pieces(gate, answer, size))
    printed = {int(n) for mark in re.findall(r"[\[【][\d, ]+[\]】]", heard) for n in DIGITS(mark)}
    assert printed <= set(gate.spans)
    if checked:
        assert printed == set(gate.spans)
    for citation in cite(hits, gate.spans):
        assert citation.quote.strip()
        assert citation.quote in hits[citation.number - 1].section.text


@given(FRAGMENTS, st.integers(1, 9))
def test_how_an_answer_is_cut_into_pieces_changes_nothing(answer: str, size: int) -> None:
    for kind in (Gate, Trust):
        whole = pieces(kind(QUESTION, HITS), answer, len(answer) or 1)
        assert "".join(pieces(kind(QUESTION, HITS), answer, size)) == "".join(whole)
