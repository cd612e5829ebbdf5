"""A question is completed from the user's earlier ones, by what the asker may read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from statistics import fmean

import pytest
from bench.harness.sections import read_set
from hypothesis import given
from hypothesis import strategies as st
from workshop import ANA, base, opened, source

from inhouse.catalog.rows import write_documents
from inhouse.core.access import Actor, Decision
from inhouse.core.artifact import Ref
from inhouse.core.label import Label
from inhouse.core.nouns import Message
from inhouse.core.stage import Context
from inhouse.evaluate.ranking import recall
from inhouse.knowledge.conversation import CARRIED, MOST_TERMS, asks, standalone
from inhouse.knowledge.index import Index, build
from inhouse.knowledge.search import GuardedSearch, KnowledgeBase

ASKED = [
    Message("user", "How long is parental leave in Bermuda?"),
    Message("assistant", "Ten weeks, says the handbook."),
]


def alike(term: str) -> float:
    return 1.0


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("Who approves it?", "Who approves it? long parental leave Bermuda"),
        ("And for fathers who adopted a child abroad last year?", True),
        ("Who pays?", True),
        ("Which canteen serves warm lunch on Sunday evenings?", False),
        ("What is the weather tomorrow?", False),
        ("Sick leave Malta", True),
        ("thanks!", False),
        ("Thank you so much, that was great.", False),
        ("Why?", True),
        ("So that was all?", True),
        ("What about sick leave?", "What about sick leave? long parental Bermuda"),
    ],
)
def test_a_question_that_leans_on_others_is_completed(question: str, wanted: str | bool) -> None:
    found = standalone(question, ASKED, alike)
    assert found == wanted if isinstance(wanted, str) else (found != question) == wanted


@pytest.mark.parametrize("said", ["Hi!", "Thank you so much, that was great.", "ok, thanks"])
def test_greetings_and_thanks_ask_nothing(said: str) -> None:
    assert not asks(said)
    assert asks(f"{said} Who pays?")


def test_nothing_said_is_no_greeting() -> None:
    assert asks("")
    assert asks("So that was all?")


def test_the_rarest_words_of_the_user_alone_are_carried() -> None:
    asked = [Message("user", f"w{n} " * 3) for n in range(20)]
    asked += [Message("assistant", "assistant"), Message("system", "system")]
    weights = {f"w{n}": float(n) for n in range(20)}
    found = standalone("and it?", asked, lambda term: weights.get(term, 99.0))
    assert found == "and it? w14 w15 w16 w17 w18 w19"
    assert len(found.split()) == 2 + CARRIED

    found = standalone("and canteens?", asked, lambda term: weights.get(term, 99.0))
    assert found == "and canteens? w17 w18 w19", "it has a word of its own"


def test_words_that_stand_in_nothing_readable_are_not_carried() -> None:
    assert standalone("Who approves it?", ASKED, lambda term: 0.0) == "Who approves it?"


@given(st.text(max_size=200))
def test_a_single_turn_stays_as_it_is(question: str) -> None:
    assert standalone(question, [], alike) == question
    assert standalone(question, [Message("assistant", "Bermuda")], alike) == question


@given(st.text(max_size=100), st.lists(st.text(max_size=100), max_size=4))
def test_any_conversation_will_do(question: str, asked: list[str]) -> None:
    found = standalone(question, [Message("user", text) for text in asked], alike)
    assert found.startswith(question)


def test_the_search_says_what_it_looked_for(tmp_path: Path) -> None:
    open_ = source(tmp_path / "a", "data/a", {"a.md": "# Leave\n\nParental leave is long."})
    closed = source(tmp_path / "b", "data/b", {"b.md": "# Bermuda\n\nThe target is in Bermuda."})
    search = GuardedSearch(base(tmp_path / "desk", [open_, closed]), _decide)
    found = search.search("Who approves it?", ANA, top=5, before=ASKED)
    assert found.query == "Who approves it? long parental leave", "data/b is closed: no Bermuda"
    assert found.hits[0].section.document == "a.md"
    assert search.search("Who approves it?", ANA, top=5).query == "Who approves it?"


def _decide(actor: Actor, path: str) -> Decision:
    return Decision(path == "data/a", actor.name, "read", Ref.parse(path), Label.OPEN)


@pytest.mark.data
@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_conversations_find_their_sections(minilm_folder: Path, tmp_path: Path) -> None:
    from inhouse.models.load import load_embedder

    if "INHOUSE_DATA" not in os.environ:
        pytest.skip("INHOUSE_DATA does not name the folder of real data")
    folder = Path(os.environ["INHOUSE_DATA"], "mtrag-clapnq")
    asked = read_set(folder)
    write_documents(tmp_path, asked.documents)
    embedder = load_embedder(minilm_folder)
    (tmp_path / "desk").mkdir()
    inputs = [opened(tmp_path, "data/passages")]
    build(Index(), inputs, Context(tmp_path / "desk", ANA), embedder, identity="minilm")
    found = KnowledgeBase(tmp_path / "desk", embedder)
    search = GuardedSearch(
        found, lambda actor, path: Decision(True, "ana", "read", Ref.parse(path), Label.OPEN)
    )
    last, whole = [], []
    with (folder / "answerability.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    for row in rows:
        if not row["relevant"] or len(row["conversation"]) == 1:
            continue
        turns = [
            Message("user" if turn["speaker"] == "user" else "assistant", turn["text"])
            for turn in row["conversation"]
        ]
        for scores, before in ((last, ()), (whole, turns[:-1])):
            hits = search.search(turns[-1].content, ANA, top=5, before=before).hits
            ids = [asked.id_of(hit.section) for hit in hits]
            scores.append(recall(ids, frozenset(row["relevant"]), 5))
    found.close()
    assert len(last) == 88
    assert fmean(whole) >= fmean(last) + 0.04
    assert fmean(whole) >= 0.90


def test_few_terms_are_looked_up_however_much_was_said() -> None:
    looked: list[str] = []

    def rarity(term: str) -> float:
        looked.append(term)
        return 1.0

    said = [
        Message("user", "Bermuda " + " ".join(f"word{turn}x{n}" for n in range(100)))
        for turn in range(20)
    ]
    assert "Bermuda" in standalone("Who approves it?", said, rarity)
    assert len(looked) == MOST_TERMS
    assert {f"word19x{n}" for n in range(100)} <= set(looked)
    assert not [term for term in looked if term.startswith("word17x")]
