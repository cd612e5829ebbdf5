"""A teacher labels texts: a small classifier over words, or a language model by likelihood."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from making_sets import banking, examples, rows_in

from inhouse.catalog.rows import read_rows
from inhouse.core.access import Actor
from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Inputs
from inhouse.data.likely import LikelyLabels
from inhouse.data.teach import Teach, stage
from inhouse.models.classifier import accuracy, cross_validated, train
from inhouse.models.ngrams import WIDTH, hashed


def four_intents() -> list[tuple[str, str]]:
    wanted = ("card_arrival", "exchange_rate", "age_limit", "lost_or_stolen_card")
    return [pair for pair in banking() if pair[1] in wanted][::2]


@contextlib.contextmanager
def _nobody(inputs: Inputs, like: Sequence[tuple[str, str]]) -> Iterator[Any]:
    raise AssertionError("no language model is asked")
    yield


def taught(folder: Path, inputs: dict[str, Input], opened: Any = _nobody) -> Any:
    folder.mkdir(exist_ok=True)
    return stage(opened).run(Teach(), inputs, Context(folder, Actor("ana"))).summary


@pytest.mark.data
def test_a_classifier_labels_texts_and_says_how_sure_it_is(tmp_path: Path) -> None:
    pairs = four_intents()
    texts = [{"title": "", "text": text, "digest": ""} for text, _ in pairs[1::2]]
    inputs = {
        "texts": rows_in(tmp_path / "texts", "documents", texts),
        "like": examples(tmp_path / "like", pairs[::2]),
    }
    summary = taught(tmp_path / "made", inputs)
    rows = list(read_rows(tmp_path / "made"))
    right = [row["label"] == label for row, (_, label) in zip(rows, pairs[1::2], strict=True)]
    assert np.mean(right) > 0.9
    assert summary["accuracy"] > 0.8
    assert "agrees" not in summary
    for row in rows[:20]:
        probabilities = [score["probability"] for score in row["scores"]]
        assert row["label"] == row["scores"][0]["label"]
        assert probabilities == sorted(probabilities, reverse=True)
        assert abs(sum(probabilities) - 1) < 1e-3


class Reader:
    """A model to which a label is likely that stands in the text, and every ``b`` anyway."""

    def __init__(self) -> None:
        self.read = 0

    async def score_endings(
        self, text: str, endings: Sequence[str]
    ) -> tuple[Sequence[Sequence[float]], int]:
        self.read += 1
        asked = text.rpartition("Text:")[2].split()
        return [[-1.0 + 2 * (e.strip() in asked) + (e == " b")] for e in endings], len(endings)

    async def close(self) -> None:
        """Nothing to free."""


def test_a_language_model_is_asked_how_likely_labels_are(tmp_path: Path) -> None:
    like = [("an a here", "a"), ("a b there", "b")]
    inputs = {
        "texts": examples(tmp_path / "texts", [("one a two", "a"), ("x b y", "b"), ("z", "a")]),
        "like": examples(tmp_path / "like", like),
    }
    inputs["model"] = inputs["like"]
    reader = Reader()

    @contextlib.contextmanager
    def opened(_: Inputs, like: Sequence[tuple[str, str]]) -> Iterator[LikelyLabels]:
        yield LikelyLabels(reader, like)

    summary = taught(tmp_path / "made", inputs, opened)
    rows = list(read_rows(tmp_path / "made"))
    assert [row["label"] for row in rows[:2]] == ["a", "b"]
    assert rows[2]["scores"][0]["probability"] == pytest.approx(0.5)  # what is likely anyway
    assert summary["agrees"] == 1.0
    asked = reader.read
    assert taught(tmp_path / "made", inputs, opened) == summary  # as if it had been cut off
    assert reader.read == asked


def test_a_language_model_is_asked_about_examples_that_it_is_not_shown(tmp_path: Path) -> None:
    like = [(f"{word} {n} {word}", word) for n in range(9) for word in ("a", "b")]
    like += [(f"{word} z", "z") for word in ("only", "never", "b")]  # of the last it thinks wrong
    given = examples(tmp_path / "like", like)
    texts = examples(tmp_path / "texts", [("one a two", "a")])
    prompts: list[str] = []
    shown: list[tuple[str, str]] = []

    class Listener(Reader):
        async def score_endings(self, text: str, endings: Sequence[str]) -> Any:
            prompts.append(text.rpartition("Text:")[2])
            return await super().score_endings(text, endings)

    @contextlib.contextmanager
    def opened(_: Inputs, few: Sequence[tuple[str, str]]) -> Iterator[LikelyLabels]:
        shown.extend(few)
        yield LikelyLabels(Listener(), few)

    summary = taught(tmp_path / "made", {"texts": texts, "like": given, "model": given}, opened)
    assert {label for _, label in shown} == {"a", "b", "z"}
    asked = [text for text, _ in like if any(text in prompt for prompt in prompts)]
    assert len(asked) == len(like) - len(shown) == 9
    assert not {text for text, _ in shown} & set(asked)
    assert 0.5 < summary["accuracy"] <= 1


def test_examples_must_have_two_labels(tmp_path: Path) -> None:
    texts = examples(tmp_path / "texts", [("one", "a")])
    with pytest.raises(BadInput, match="have one label"):
        taught(tmp_path / "made", {"texts": texts, "like": texts})
    chats = rows_in(tmp_path / "chats", "chats", [])
    with pytest.raises(BadInput, match="holds no examples"):
        taught(tmp_path / "made", {"texts": texts, "like": chats})


def test_hashed_words_are_unit_vectors_that_know_their_words() -> None:
    texts = ["Where is my card?", "where is MY card", "Something else", "", "Größe ist egal"]
    found = hashed(texts)
    assert found.shape == (5, WIDTH)
    lengths = np.linalg.norm(found, axis=1)
    assert lengths == pytest.approx([1, 1, 1, 0, 1], abs=1e-5)
    assert found[0] @ found[1] == pytest.approx(1)
    assert abs(found[0] @ found[2]) < 0.2
    assert np.array_equal(hashed(texts[4:]), found[4:])


@pytest.mark.data
def test_a_small_classifier_learns_and_says_how_well() -> None:
    pairs = four_intents()
    texts, labels = zip(*pairs, strict=True)
    vectors = hashed(texts)
    even, odd = slice(0, None, 2), slice(1, None, 2)
    learnt = train(vectors[even], labels[even], hashed)
    assert accuracy(learnt, vectors[odd], labels[odd]) > 0.9
    assert learnt.classify(texts[:3]).sum(1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert cross_validated(vectors, labels, texts) > 0.9
    with pytest.raises(BadInput, match="same label"):
        train(vectors[:3], ["a"] * 3, hashed)
