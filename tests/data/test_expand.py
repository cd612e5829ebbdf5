"""Writing new examples: what is asked, what is kept and why, what it cost and what it is worth."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest
from making_sets import banking, examples, kept, rows_in

from inhouse.catalog.rows import read_rows
from inhouse.core.access import Actor
from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput, ProviderError
from inhouse.core.nouns import Message
from inhouse.core.protocols import Piece, Sampling, Usage
from inhouse.core.stage import Context
from inhouse.data.account import DROPPED
from inhouse.data.asked import Writer
from inhouse.data.expand import Expand, _held, stage
from inhouse.data.messages import turn
from inhouse.data.sieve import Shapes, Sieve
from inhouse.data.writing import request, texts_in

GOLD = {
    "card_arrival": [
        "Where is my new card?",
        "My card has still not come in the post",
        "How long until the card arrives at my home?",
        "I ordered a card two weeks ago and it is not here",
        "When will my replacement card be delivered?",
        "Can you track the parcel with my card in it?",
    ],
    "exchange_rate": [
        "What is the exchange rate for euros today?",
        "Which rate do you use for foreign currency?",
        "How are exchange rates decided at the weekend?",
        "Is your rate for dollars better than the bank's?",
        "Tell me the rate between pounds and yen",
        "Do you add a fee on top of the exchange rate?",
    ],
}
WRITTEN = {
    "card arrival": [
        "The postman brought everything but my card, when does it come?",
        "Where is my new card",
        "What rate do you give for euros and dollars?",
        "Has the card that I ordered been sent to my old home by mistake?",
        "Card?",
    ],
    "exchange rate": [
        "How much currency do I get for a hundred pounds at your rate?",
        "Do you add a fee on top of the exchange rates?",
        "If rates move at night, which exchange rate counts for my payment?",
    ],
}


class Scribe:
    """A language model that writes what it was given, a list at a time, and counts."""

    name, context_tokens = "scribe", 4096

    def __init__(self, *, fails_after: int = 10**9) -> None:
        self.asked: list[tuple[str, int | None]] = []
        self._fails_after = fails_after

    async def chat(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncGenerator[Piece, None]:
        if len(self.asked) >= self._fails_after:
            raise ProviderError("The provider has gone.", "Try again later.")
        prompt = messages[-1].content
        self.asked.append((prompt, sampling.seed))
        named = re.search("category “(.*)”", prompt)
        lines = WRITTEN[named[1]] if named else ["Please sum up this long letter for me", "Hi"]
        text = "Here you are:\n" + "\n".join(f"{n}. {t}" for n, t in enumerate(lines, 1))
        if not named and "requests to an assistant" not in prompt:
            text = f"Gladly: {prompt}"
        yield Piece(text[:40])
        yield Piece(text[40:], "stop", Usage(100, 50))

    async def close(self) -> None:
        """Nothing to free."""


def gold(folder: Path) -> Input:
    return examples(folder, [(t, label) for label, texts in GOLD.items() for t in texts])


def expanded(
    folder: Path, inputs: dict[str, Input], scribe: Any, spec: Expand | None = None, **how: Any
) -> Any:
    folder.mkdir(exist_ok=True)
    made = stage(lambda _: Writer(scribe, **how))
    return made.run(spec or Expand("class", 10), inputs, Context(folder, Actor("ana"), seed=3))


def test_what_is_kept_and_what_is_not_is_told(tmp_path: Path) -> None:
    inputs = {
        "gold": gold(tmp_path / "gold"),
        "apart 1": examples(tmp_path / "exam", [(WRITTEN["exchange rate"][0], "exchange_rate")]),
    }
    price = 1e-4
    summary = expanded(
        tmp_path / "made", inputs, Scribe(), cost=lambda u: (price * u.prompt_tokens, "EUR")
    ).summary
    rows = list(read_rows(tmp_path / "made"))
    new = [row for row in rows if row["source"] == "written"]
    assert summary["examples"] == len(rows) == 12 + len(new)
    assert {row["text"] for row in new} == {
        WRITTEN["card arrival"][0],
        WRITTEN["card arrival"][3],
        WRITTEN["exchange rate"][2],
    }
    why = {
        row["text"]: row["rule"]
        for row in read_rows(tmp_path / "made", ("text", "rule"), file=DROPPED)
    }
    assert why["Where is my new card"] == "copy"
    assert why["What rate do you give for euros and dollars?"] == "label"
    assert why["Card?"] == "length"
    assert why[WRITTEN["exchange rate"][0]] == "copy"  # of the exam
    asked = summary["asked"]
    assert asked["tokens read"] == 100 * asked["requests"]
    assert asked["cost"] == f"{price * asked['tokens read']:.6g} EUR"
    assert summary["missing"] == 5
    assert {"without", "with", "gain", "held out"} <= summary["gain"].keys()


def test_it_is_the_same_each_time_and_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    inputs = {"gold": gold(tmp_path / "gold")}
    whole = Scribe()
    first = expanded(tmp_path / "one", inputs, whole)
    again = expanded(tmp_path / "two", inputs, Scribe(), at_once=8)
    assert first.summary == again.summary
    one, two = ((tmp_path / name / "rows.parquet").read_bytes() for name in ("one", "two"))
    assert one == two
    with pytest.raises(ProviderError):
        expanded(tmp_path / "three", inputs, Scribe(fails_after=2))
    with (tmp_path / "three" / "asked.jsonl").open("ab") as journal:
        journal.write('{"key": "half a lé'.encode()[:-1])
    rest = Scribe()
    resumed = expanded(tmp_path / "three", inputs, rest)
    assert len(rest.asked) == len(whole.asked) - 2
    assert resumed.summary == first.summary
    assert (tmp_path / "three" / "rows.parquet").read_bytes() == one


def test_held_out_examples_are_not_shown(tmp_path: Path) -> None:
    scribe = Scribe()
    summary = expanded(tmp_path / "made", {"gold": gold(tmp_path / "gold")}, scribe).summary
    shown = "\n".join(prompt for prompt, _ in scribe.asked)
    unseen = [text for texts in GOLD.values() for text in texts if text not in shown]
    assert len(unseen) == summary["gain"]["held out"] == 2


def test_what_has_a_near_copy_is_not_held_out(tmp_path: Path) -> None:
    pairs = [(text, label) for label, texts in GOLD.items() for text in texts]
    doubled = [(f"{text} {end}", label) for text, label in pairs for end in ("", "!")]
    rows = [{"text": text, "label": label, "id": str(n)} for n, (text, label) in enumerate(doubled)]
    assert not _held(rows)
    alone = [{"text": f"{n} {text[::-1]}", "label": label} for n, (text, label) in enumerate(pairs)]
    more = [*rows, *({"id": f"alone {n}", **row} for n, row in enumerate(alone))]
    held = _held(more)
    assert all(id.startswith("alone") for id in held)
    assert len(held) == len(more) // 6  # a fifth of each class, rounded down
    scribe = Scribe()
    inputs = {"gold": examples(tmp_path / "gold", doubled)}
    summary = expanded(tmp_path / "made", inputs, scribe).summary
    assert summary["gain"] == {"not measured": "gold is too small, or full of copies"}


def test_of_a_split_only_the_train_part_is_shown_and_grows(tmp_path: Path) -> None:
    rows = [
        {"text": text, "label": label, "part": part}
        for label, texts in GOLD.items()
        for part, text in zip(["train"] * 4 + ["dev", "test"], texts, strict=True)
    ]
    scribe = Scribe()
    inputs = {"gold": rows_in(tmp_path / "gold", "examples", rows)}
    summary = expanded(tmp_path / "made", inputs, scribe, Expand("class", 5)).summary
    shown = "\n".join(prompt for prompt, _ in scribe.asked)
    assert all((row["text"] in shown) == (row["part"] == "train") for row in rows)
    new = [row for row in read_rows(tmp_path / "made") if row["source"] == "written"]
    assert {row["part"] for row in new} == {"train"}
    assert summary["gain"]["held out"] == 2


def test_chats_are_written_with_their_answers(tmp_path: Path) -> None:
    rows = [
        {"messages": [turn("user", f"Please translate letter {n} for me"), turn("assistant", "So")]}
        for n in ("one", "two", "seven")
    ]
    inputs = {"gold": rows_in(tmp_path / "gold", "chats", rows)}
    summary = expanded(tmp_path / "made", inputs, Scribe(), Expand("task", 4)).summary
    (new,) = [row for row in read_rows(tmp_path / "made") if row["source"] == "written"]
    assert [m["content"] for m in new["messages"]] == [
        "Please sum up this long letter for me",
        "Gladly: Please sum up this long letter for me",
    ]
    assert (summary["chats"], summary["gain"]) == (4, {})


def test_gold_must_be_of_the_right_kind(tmp_path: Path) -> None:
    inputs = {"gold": gold(tmp_path / "gold")}
    with pytest.raises(BadInput, match="holds examples, and 'per: task' wants chats"):
        expanded(tmp_path / "made", inputs, Scribe(), Expand("task", 4))
    with pytest.raises(BadInput, match="same label"):
        alone = {"gold": examples(tmp_path / "alone", [(t, "a") for t in GOLD["card_arrival"]])}
        expanded(tmp_path / "other", alone, Scribe())


@pytest.mark.parametrize(
    ("answer", "texts"),
    [
        ("1. One thing\n2) Two things\n", ["One thing", "Two things"]),
        ('- "One thing"\n* Two things', ["One thing", "Two things"]),
        ("Sure, here they are:\n\nOne thing", ["One thing"]),
        ("", []),
    ],
)
def test_lists_of_all_kinds_are_read(answer: str, texts: list[str]) -> None:
    assert texts_in(answer, cut=False) == texts
    assert texts_in(answer, cut=True) == texts[:-1]


def test_each_request_shows_other_examples_by_its_seed() -> None:
    known = [f"text {n}" for n in range(50)]
    first = request("a_b", 0, known, 1)
    assert first == request("a_b", 0, known, 1)
    assert first.sampling.seed != request("a_b", 1, known, 1).sampling.seed
    assert first.messages != request("a_b", 0, known, 2).messages
    assert "“a b”" in first.messages[0].content


def test_the_nearest_text_is_found() -> None:
    shapes = Shapes([("a", "The quick brown fox"), ("b", "Nothing alike")])
    assert shapes.nearest("the quick, brown FOX!") == ("a", 1.0)
    assert shapes.nearest("zzzz") == ("", 0.0)


def test_what_says_nothing_new_goes() -> None:
    known = [("a", "one two three four five six seven eight", ""), ("b", "red green blue", "")]
    sieve = Sieve(known, (), None)
    found = sieve.judge("c", "one two three four red green blue", "")
    assert found
    assert found.rule == "nothing new"


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.data
def test_a_model_that_runs_here_writes_the_same_again(
    weights_store: Path, smollm_folder: Path, tmp_path: Path
) -> None:
    from inhouse.models.load import load_language

    pairs = banking()
    wanted = ("card_arrival", "exchange_rate")
    few = [pair for label in wanted for pair in [p for p in pairs if p[1] == label][:8]]
    made = []
    for name in ("one", "two"):
        model = load_language(smollm_folder, name="models/base", threads=2, cache_gib=0.5)
        inputs = {"gold": examples(tmp_path / f"gold-{name}", few)}
        summary = expanded(tmp_path / name, inputs, model, Expand("class", 10)).summary
        assert summary["asked"]["tokens written"] > 20
        assert summary["written"] + sum(summary["rejected"].values()) > 0
        made.append((tmp_path / name / "rows.parquet").read_bytes())
    assert made[0] == made[1]


def test_a_folder_of_scores_is_left_behind_nowhere(tmp_path: Path) -> None:
    result = expanded(tmp_path / "made", {"gold": gold(tmp_path / "gold")}, Scribe())
    assert result.scratch == ("asked.jsonl",)
    assert kept(tmp_path / "made").folder.is_dir()
