"""What suites ask of models, how answers are marked, and the figures that are made of marks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from small_project import write

from inhouse.core.errors import BadInput
from inhouse.core.nouns import Message
from inhouse.core.protocols import Likelihood
from inhouse.core.stage import silent
from inhouse.evaluate.answers import exact, f1, normalised
from inhouse.evaluate.examining import examiner, sorter
from inhouse.evaluate.figures import differences, figures, report_of, values
from inhouse.evaluate.needle import table
from inhouse.evaluate.papers import Choice, Hidden, Kind, Labelled, Question, Text, read_items
from inhouse.evaluate.rows import FILE


class Letters:
    """A model of single letters, learnt by counting; it answers with the letter it knows best."""

    def __init__(self, text: str) -> None:
        self._counts, self._all = Counter(text), len(text)

    def read(self, texts: Sequence[str]) -> Sequence[Likelihood]:
        return [self._of(text[1:]) for text in texts]

    def endings(self, asked: Sequence[tuple[str, Sequence[str]]]) -> Sequence[Sequence[Likelihood]]:
        return [[self._of(ending) for ending in own] for _, own in asked]

    def answers(self, conversations: Sequence[Sequence[Message]], *, tokens: int) -> Sequence[str]:
        best, _ = self._counts.most_common(1)[0]
        return [best for _ in conversations]

    def _of(self, text: str) -> Likelihood:
        chances = [(self._counts[letter] + 1) / (self._all + 256) for letter in text]
        return Likelihood(sum(map(math.log, chances)), len(text))


MODEL = Letters("a" * 90 + "b" * 30 + "cdefgh")


@pytest.mark.parametrize(
    ("said", "right", "wanted"),
    [
        ("The Eiffel Tower.", ["Eiffel tower"], (1.0, 1.0)),
        ("In Paris, at the tower", ["Eiffel Tower"], (0.0, 1 / 3)),
        ("seven", ["7", "Seven!"], (1.0, 1.0)),
        ("", ["the"], (1.0, 1.0)),
        ("", ["seven"], (0.0, 0.0)),
        ("seven seven", ["seven"], (0.0, 2 / 3)),
    ],
)
def test_answers_are_compared_as_squad_does(
    said: str, right: list[str], wanted: tuple[float, float]
) -> None:
    assert (exact(said, right), f1(said, right)) == pytest.approx(wanted)


def test_words_are_compared_without_what_does_not_count() -> None:
    assert normalised(" An  apple, (the) A-team! ") == "apple ateam"


def test_a_choice_is_told_by_likelihood_and_once_more_by_length() -> None:
    items = [
        Choice("?", ("c", "a"), 1),  # the likelier letter
        Choice("?", ("aaaa", "b"), 0),  # likelier only for its length
        Choice("?", ("b", "aaaaaaaaaa"), 0),
    ]
    marks = examiner(MODEL, "choice")(items, silent)
    assert [(mark["right"], mark["even"]) for mark in marks] == [(1, 1), (0, 1), (1, 0)]
    assert values("choice", marks) == pytest.approx({"accuracy": 2 / 3, "accuracy_norm": 2 / 3})


def test_a_needle_is_a_choice_with_a_place() -> None:
    items = [Hidden("?", ("c", "a"), right, length=512, depth=0.5) for right in (1, 0)]
    marks = examiner(MODEL, "needle")(items, silent)
    assert table(marks) == [["depth", "512"], ["50%", "50%"]]
    assert values("needle", marks) == {"found": 0.5}


def test_a_text_is_told_by_its_tokens_and_its_bytes() -> None:
    items = [Text("xaaa"), Text("xbé")]
    marks = examiner(MODEL, "perplexity")(items, silent)
    lost = -sum(math.log(n / (126 + 256)) for n in (91, 91, 91, 31, 1))
    assert values("perplexity", marks) == pytest.approx(
        {"perplexity": math.exp(lost / 5), "bits_per_byte": lost / math.log(2) / 8}
    )


def test_questions_are_answered() -> None:
    items = [Question((Message("user", "?"),), (right,)) for right in ("b", "B")]
    marks = examiner(Letters("b"), "questions")(items, silent)
    assert values("questions", marks) == {"exact": 1.0, "f1": 1.0}


def test_classes_are_told_by_labels_and_by_a_classifier() -> None:
    class ByFirst:
        classes = ("no", "yes")

        def classify(self, texts: Sequence[str]) -> np.ndarray:
            first = np.array([text.startswith("y") for text in texts], np.float32)
            return np.stack([1 - first, first], 1)

    items = [Labelled("y1", "yes"), Labelled("n1", "no"), Labelled("y2", "no")]
    marks = sorter(ByFirst())(items, silent)
    assert [mark["said"] for mark in marks] == ["yes", "no", "yes"]
    assert values("classes", marks) == pytest.approx({"accuracy": 2 / 3, "macro_f1": 2 / 3})
    judged = examiner(MODEL, "classes")(items, silent)
    # It looks at no text, so no label gains by one, and the first one has to do.
    assert {mark["said"] for mark in judged} == {"no"}


def test_a_report_has_intervals_kinds_and_what_went_worst() -> None:
    items = [Choice(f"{i}?", ("a", "c"), i % 4 == 0, "x" if i % 2 else "y") for i in range(40)]
    marks = examiner(MODEL, "choice")(items, silent)
    report = report_of("choice", items, marks)
    found = report["metrics"]["accuracy"]
    assert found["value"] == 0.75
    assert 0.55 < found["low"] < 0.75 < found["high"] < 0.95
    assert report["kinds"]["x"]["accuracy"] == {"value": 1, "low": 1, "high": 1}
    assert len(report["worst"]) == 10
    assert report["worst"][0] == {"asked": "0?", "right": ["c"], "said": "a"}
    assert len(report["marks"]) == 40


def test_a_difference_is_surer_by_the_same_questions() -> None:
    """Two models that differ on few of many questions: their intervals overlap, the paired does
    not reach zero."""
    first = [{"exact": float(i % 2), "f1": float(i % 2)} for i in range(200)]
    second = [{**mark, "exact": 1.0} if i % 20 == 0 else mark for i, mark in enumerate(first)]
    apart = differences("questions", first, second)
    assert apart["exact"]["value"] == pytest.approx(0.05)
    assert apart["exact"]["low"] > 0
    assert apart["f1"] == {"value": 0, "low": 0, "high": 0}
    alone = [figures("questions", marks)["exact"] for marks in (first, second)]
    assert alone[1]["low"] < alone[0]["high"]


READ: Sequence[tuple[Kind, str, str]] = [
    ("perplexity", '{"text": ""}', "q.jsonl:1: 'text' is missing"),
    ("questions", '{"query": "a"}', "q.jsonl:1: 'answers' is missing or no list of texts"),
    ("questions", '{"query": "a", "answers": [1]}', "q.jsonl:1: 'answers'"),
    ("questions", '{"answers": ["a"]}', "q.jsonl:1: 'query' is missing"),
    ("choice", '{"query": "a", "choices": ["b"], "answer": 0}', "q.jsonl:1: 'answer' is none"),
    ("choice", '{"query": "a", "choices": ["b", "c"], "answer": 2}', "q.jsonl:1: 'answer'"),
    ("choice", '{"query": "a", "choices": ["b", "c"], "answer": true}', "q.jsonl:1: 'answer'"),
    ("choice", '{"query": "a", "choices": ["b", "b"], "answer": 0}', "two of these are the same"),
    ("classes", '{"text": "a", "label": "b"}', "q.jsonl has one label alone"),
    ("classes", '{"text": "a"}', "q.jsonl:1: 'label'"),
]


@pytest.mark.parametrize(("kind", "text", "said"), READ)
def test_a_bad_line_is_named(tmp_path: Path, kind: Kind, text: str, said: str) -> None:
    write(tmp_path, {FILE: text})
    with pytest.raises(BadInput, match=said):
        read_items(tmp_path, kind, name="q.jsonl")


def test_choices_are_asked_as_questions_or_as_texts_that_go_on(tmp_path: Path) -> None:
    lines = [
        '{"query": "Who?", "choices": ["Ana", "Bo"], "answer": "Bo", "kind": "people"}',
        '{"text": "It was", "choices": ["red", "blue"], "answer": 0}',
    ]
    write(tmp_path, {FILE: "\n".join(lines)})
    assert read_items(tmp_path, "choice") == [
        Choice("Question: Who?\nAnswer:", ("Ana", "Bo"), 1, "people"),
        Choice("It was", ("red", "blue"), 0),
    ]
