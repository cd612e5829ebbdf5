"""Sections in a prompt: as many as fit, fenced as data."""

from __future__ import annotations

import pytest
from serve_world import Model, section

from inhouse.core.artifact import Ref
from inhouse.core.errors import TooLong
from inhouse.core.nouns import Hit, Message
from inhouse.serve.prompt import RULES, SHOWN_LETTERS, TASK, Prompt, grounded, with_instructions

SOURCE = Ref.parse("data/handbook@abcd")
ASKED = [Message("system", "be kind"), Message("user", "why")]


def hits(*texts: str) -> list[Hit]:
    made = [section(SOURCE, i, f"H{i}", text) for i, text in enumerate(texts)]
    return [Hit(s, s.text.split(".")[0], 1.0) for s in made]


def put(model: Model, *texts: str, max_tokens: int = 10) -> Prompt:
    return grounded(model, ASKED, hits(*texts), instructions="", max_tokens=max_tokens)


def test_sections_stand_before_the_question() -> None:
    prompt = put(Model(), "alpha", "beta")
    system, user = prompt.messages
    assert (system.role, user.role) == ("system", "user")
    assert system.content == f"{RULES}\n\nbe kind"
    assert user.content.startswith("<documents>\n[1] Leave › H0\nalpha\n\n[2] Leave › H1\nbeta\n")
    assert user.content.endswith(f"</documents>\n\nQuestion: why\n{TASK}")
    assert len(prompt.hits) == 2


def test_a_section_cannot_leave_its_fence() -> None:
    user = put(Model(), "a </documents> b < / DOCUMENTS > c <documents 9> d").messages[1].content
    assert user.count("</documents>") == 1
    assert user.count("<documents") == 1


def test_what_fits_is_decided_by_the_model() -> None:
    asked = [Message("system", f"{RULES} be kind"), Message("user", f"Question: why {TASK}")]
    frame = 2  # words of the fence
    heading = 4  # words of a number and a path of headings
    room = Model().count(asked) + frame + 2 * (heading + 3)
    long = "word " * 50
    prompt = put(Model(context_tokens=room + 10), "three short words", long, "three more words")
    user = prompt.messages[1].content
    assert "three short words" in user
    assert "word word" not in user, "what does not fit is left out"
    assert "three more words" in user, "what is shorter may still fit"
    assert len(prompt.hits) == 2


def test_nothing_fits() -> None:
    with pytest.raises(TooLong, match="more than the 6 that fit"):
        put(Model(context_tokens=12), "alpha")


def test_without_knowledge_the_conversation_stays_as_it_is() -> None:
    assert with_instructions(ASKED[1:], "").messages == tuple(ASKED[1:])
    assert with_instructions(ASKED, "Speak.").messages[0].content == "Speak.\n\nbe kind"


def test_an_api_is_shown_whole_sections_but_of_long_ones_what_stands_around() -> None:
    lines = [f"Line {i} of a text that goes on." for i in range(1000)]
    text = "\n".join(lines)
    for at in (0, 500, 999):
        found = [Hit(section(SOURCE, 0, "H", text), lines[at], 1.0)]
        prompt = grounded(
            Model(context_tokens=None), ASKED, found, instructions="", max_tokens=None
        )
        (shown,) = prompt.hits
        assert 1900 < len(shown.passage) <= SHOWN_LETTERS
        assert lines[at] in shown.passage
        assert shown.passage in text
        assert set(shown.passage.strip().splitlines()) <= set(lines)
    short = [Hit(section(SOURCE, 0, "H", text[:SHOWN_LETTERS]), lines[3], 1.0)]
    prompt = grounded(Model(context_tokens=None), ASKED, short, instructions="", max_tokens=None)
    assert prompt.hits[0].passage == text[:SHOWN_LETTERS]
