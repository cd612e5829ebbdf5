from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from workshop import ANA, base, source

from inhouse.core.access import Actor, Decision
from inhouse.core.artifact import Ref
from inhouse.core.label import Label
from inhouse.knowledge.search import GuardedSearch
from inhouse.knowledge.support import Signs, read_signs, support, unknown
from inhouse.knowledge.tokens import condense

SHARE = st.floats(0, 1)
AXES = np.eye(8, dtype=np.float32)


def signs(**changed: object) -> Signs:
    given: dict[str, object] = {
        "question": AXES[0],
        "rarities": {"fly": 3.0, "economi": 1.0},
        "texts": ["We fly. Economy is for economists.", "Elsewhere"],
        "condensed": [condense(np.repeat(AXES[1:4], 3, axis=0)), condense(AXES[7:])],
        "met": np.array([0.8, 0.6, 0.4]),
    }
    return read_signs(*{**given, **changed}.values())


def test_signs_of_what_was_found() -> None:
    found = signs()
    assert found.words == pytest.approx(0.75)  # "fly" is worth three quarters of the question
    assert found.ahead == pytest.approx(0.2)
    assert signs(met=np.array([0.6, 0.8, 0.4])).ahead == found.ahead
    assert found.nearest == pytest.approx(0, abs=1e-6)
    assert signs(question=AXES[2]).nearest == pytest.approx(1 / 3**0.5, abs=0.01)
    assert signs(question=AXES[7]).nearest == pytest.approx(1, abs=0.01)


def test_only_words_of_one_sentence_count_together() -> None:
    assert signs(texts=["No.", "We fly economy."]).words == pytest.approx(1)
    assert signs(texts=["We fly.\nEconomy is fine."]).words == pytest.approx(0.75)
    assert signs(texts=["We fly.", "Economy is fine."]).words == pytest.approx(0.75)
    assert signs(texts=[""]).words == 0
    assert signs(rarities={}).words == 0


def test_only_the_next_few_passages_count() -> None:
    near = np.full(10, 0.5)
    assert signs(met=np.concatenate([near, np.zeros(20)])).ahead == signs(met=near).ahead == 0
    assert signs(met=np.array([0.5])).ahead == 0


def test_a_passage_of_no_or_few_tokens_has_signs() -> None:
    assert signs(condensed=[b""]).nearest == 0
    assert signs(condensed=[condense(AXES[:1])]).nearest == pytest.approx(1, abs=0.01)


@given(SHARE, SHARE, SHARE, SHARE)
def test_support_lies_between_0_and_1_and_grows_with_every_sign(
    near: float, words: float, ahead: float, more: float
) -> None:
    low = support(Signs(near, words, ahead))
    assert 0 <= low <= 1
    for change in ((more, 0, 0), (0, more, 0), (0, 0, more)):
        sums = (a + b for a, b in zip((near, words, ahead), change, strict=True))
        assert support(Signs(*sums)) >= low


def decide(actor: Actor, path: str) -> Decision:
    return Decision(True, actor.name, "read", Ref.parse(path), Label.OPEN, Label.OPEN)


def test_what_stands_there_is_supported_better_than_what_does_not(tmp_path: Path) -> None:
    texts = {
        f"{name}.md": f"# {name}\n\nThe {name} is kept in the {place}.\n"
        for name, place in zip(
            ["ladder", "kettle", "printer", "stapler"], ["yard", "kitchen", "hall", "desk"],
            strict=True,
        )
    }  # fmt: skip
    search = GuardedSearch(
        desk := base(tmp_path / "desk", [source(tmp_path / "in", "data/house", texts)]), decide
    )
    there = search.search("Where is the kettle kept?", ANA, top=3)
    missing = search.search("Who sells cheap bicycles?", ANA, top=3)
    assert there.support > missing.support
    assert search.search("Where is the kettle kept?", ANA, top=1).support == there.support
    desk.close()


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("What is the fee at the Berlin office?", True),
        ("Who won in 2031?", True),
        ("Who won in 2031? Thanks, Ana", True),
        ("What is the fee at the Chicago office in 2024?", False),
        ("I am Berta. Is the office open on Monday for 7 days?", False),
        ("Berlin has what fee?", False),
        ("How much PTO is there?", False),
        ("Wie hoch ist das Urlaubsgeld in Berlin?", False),
        ("Is there parking in Lisbon?", False),
        ("", False),
    ],
)
def test_names_that_stand_nowhere(question: str, named: bool) -> None:
    known = {"chicago": 1.0, "2024": 1.0, "offic": 1.0}
    assert unknown(question, lambda term: known.get(term, 0.0), "offices/lisbon.md") == named


def test_a_name_that_is_closed_to_the_asker_is_no_name(tmp_path: Path) -> None:
    parking = source(tmp_path / "a", "data/a", {"a.md": "# Parking\n\nParking at Chicago is 9."})
    berlin = source(tmp_path / "b", "data/b", {"b.md": "# Berlin\n\nBerlin has an office."})
    question = "What is parking at Berlin?"
    found = {}
    for name, inputs, closed in (
        ("both", [parking, berlin], ()),
        ("closed", [parking, berlin], ("data/b",)),
        ("alone", [parking], ()),
    ):
        desk = base(tmp_path / name, inputs)
        search = GuardedSearch(desk, lambda actor, path, closed=closed: only(actor, path, closed))
        found[name] = search.search(question, ANA, top=3).support
        desk.close()
    assert found["closed"] == found["alone"] < 0.5
    assert found["closed"] < found["both"]


def only(actor: Actor, path: str, closed: tuple[str, ...]) -> Decision:
    return Decision(path not in closed, actor.name, "read", Ref.parse(path), Label.OPEN, Label.OPEN)


def test_nothing_found_supports_nothing(tmp_path: Path) -> None:
    desk = base(tmp_path / "desk", [source(tmp_path / "in", "data/none", {})])
    assert GuardedSearch(desk, decide).search("kettle", ANA, top=3).support == 0
    desk.close()
