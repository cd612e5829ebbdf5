from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inhouse.core.artifact import Ref
from inhouse.core.nouns import Document, Section
from inhouse.data.parse import parse
from inhouse.knowledge.passages import WORD, cut
from inhouse.knowledge.sections import split

HANDBOOK = Ref("data", "handbook", "abcd")


def sections(text: str, title: str = "Travel", path: str = "a/travel.md") -> list[Section]:
    return split(Document(path, title, text, ""), HANDBOOK)


def test_headings_lead_from_the_title_to_the_section() -> None:
    found = sections(
        "# Travel\n\nBook early.\n\n## Flights\n\n### Far\n\nAsk.\n\n## Trains\n\nGo.\n"
    )
    assert [(s.headings, s.anchor, s.text) for s in found] == [
        (("Travel",), "travel", "Book early."),
        (("Travel", "Flights", "Far"), "far", "Ask."),
        (("Travel", "Trains"), "trains", "Go."),
    ]
    assert [s.position for s in found] == [0, 1, 2]
    assert found[1].id == "data/handbook:a/travel.md#far"
    assert found[1].source == HANDBOOK


def test_another_title_stands_before_the_first_heading() -> None:
    assert sections("# Trips\n\nGo.", title="Handbook")[0].headings == ("Handbook", "Trips")


def test_text_before_the_first_heading_is_a_section_without_an_anchor() -> None:
    first, second = sections("Hello.\n\n# Travel\n\nGo.")
    assert (first.headings, first.anchor, first.text) == (("Travel",), "", "Hello.")
    assert (first.id, second.id) == (
        "data/handbook:a/travel.md",
        "data/handbook:a/travel.md#travel",
    )


@pytest.mark.parametrize(
    "text",
    [
        "```\n# no\n```",
        "~~~~\n~~~\n# no\n~~~~",
        "    # no",
        "> # no",
        "- # no",
        "#no",
        "a\n\n---\n\nb",
        "#\n\nno words",
    ],
)
def test_what_is_no_heading_stays_in_the_text(text: str) -> None:
    (section,) = sections(text)
    assert section.text == text.strip()


@pytest.mark.parametrize(
    ("heading", "words", "anchor"),
    [
        ("## Flights {#fly}", "Flights", "fly"),
        ("Flights\n-------", "Flights", "flights"),
        ("Two\nlines\n===", "Two lines", "two-lines"),
        ("## The `pip` *tool*, [here](x.md) ##", "The pip tool, here", "the-pip-tool-here"),
        (r"## a\*b\* &amp; c", "a*b* & c", "ab--c"),
        ("## Ünïcode & Co.", "Ünïcode & Co.", "ünïcode--co"),
        ("## !!!", "!!!", "section"),
    ],
)
def test_words_and_anchors_of_headings(heading: str, words: str, anchor: str) -> None:
    (section,) = sections(f"{heading}\n\nText.")
    assert section.headings[-1] == words
    assert section.anchor == anchor
    assert section.text == "Text."


def test_anchors_are_unique_and_written_ones_win() -> None:
    found = sections("# A\nx\n# A\nx\n# B {#a}\nx\n# A-1\nx\n# C {#a}\nx")
    assert [s.anchor for s in found] == ["a-2", "a-3", "a", "a-1-1", "a-1"]


def test_ids_of_a_page_become_anchors() -> None:
    page = b"<h1>Trips *abroad*</h1><p>Go.<h2 id=off>Far {#x}</h2><p># Ask."
    found = split(parse("trips.html", page, ""), HANDBOOK)
    assert [(s.headings, s.anchor, s.text) for s in found] == [
        (("Trips *abroad*",), "trips-abroad", "Go."),
        (("Trips *abroad*", "Far {#x}"), "off", "\\# Ask."),
    ]


@pytest.mark.parametrize(
    "heading",
    [
        "Travel\npolicy\n======",
        "Travel  \npolicy\n===",
        "#  The `pip`  *tool*, [here](x.md) ##",
        "# A <b>bold</b> &amp; ![picture](x.png) plan {#plan}",
        "#\n\n# After one without words",
        "# a\\*b\\* \u00a0 c",
    ],
)
@pytest.mark.parametrize("path", ["odd.md", "odd.mdx"])
def test_a_title_reads_like_the_heading_it_is(heading: str, path: str) -> None:
    document = parse(path, f"{heading}\n\nText.\n".encode(), "")
    assert split(document, HANDBOOK)[-1].headings == (document.title,)


def test_paths_with_odd_characters_give_ids_of_their_own() -> None:
    ids = [sections("# b\nx", path=path)[0].id for path in ("a#b", "a", "a%23b")]
    ids.append(sections("x", path="a#b")[0].id)
    assert len(set(ids)) == 4


LINES = [
    *("# A", "## B {#b}", "A", "---", "===", "```", "~~~", "> # q", "- x", "", " ", "é。", "<!--"),
    *("A sentence. And one more!", "\u2028", "\x0b", "\x1c", "\t# x", "[a]: b"),
]
MARKDOWN = st.lists(st.sampled_from(LINES), max_size=30).flatmap(
    lambda lines: st.sampled_from(["\n", "\r\n", "\r"]).map(lambda end: end.join(lines))
)


@given(MARKDOWN)
def test_sections_stand_in_order_and_word_for_word(text: str) -> None:
    found, place = sections(text), 0
    for section in found:
        assert section.text.strip() == section.text != ""
        place = text.index(section.text, place) + len(section.text)
    assert len({s.id for s in found}) == len(found)


@given(st.text(alphabet="ab .!?\n。漢\t*)", max_size=300), st.integers(1, 12))
def test_passages_cover_a_text_and_keep_to_the_bound(text: str, words: int) -> None:
    spans = cut(text, words)
    assert [b for span in spans for b in span] == sorted(b for span in spans for b in span)
    kept = "".join(text[start:stop] for start, stop in spans)
    assert "".join(kept.split()) == "".join(text.split())
    for start, stop in spans:
        assert text[start:stop] == text[start:stop].strip() != ""
        assert len(WORD.findall(text[start:stop])) <= words


def test_passages_are_cut_between_sentences() -> None:
    text = "One two three. Four five six!\nSeven eight. Nine"
    assert [text[a:b] for a, b in cut(text, 6)] == [
        "One two three. Four five six!",
        "Seven eight. Nine",
    ]


def test_a_text_without_spaces_is_cut_too() -> None:
    assert len(cut("x" * 1000, 10)) == 4
    assert len(cut("漢" * 100, 10)) == 10


def test_equal_headings_are_told_apart_in_time() -> None:
    found = sections("# Note\n\nx\n\n" * 20_000 + "# Note-1\n\nx\n")
    assert [s.anchor for s in found[:3]] == ["note", "note-1", "note-2"]
    assert [s.anchor for s in found[-2:]] == ["note-19999", "note-1-1"]
