"""Splitting, sampling and telling domains apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from making_sets import banking, examples, kept, real

from inhouse.catalog import rows
from inhouse.catalog.rows import read_rows
from inhouse.core.access import Actor
from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput
from inhouse.core.stage import Context
from inhouse.data import curate, part
from inhouse.data.letter_runs import buckets, groups
from inhouse.data.recipe import read_step
from inhouse.data.steps.sample import quotas

SHARES = {"train": 0.8, "dev": 0.1, "test": 0.1}


def cleaned(folder: Path, source: Input, *steps: Any, **more: Input) -> tuple[Input, Any]:
    folder.mkdir()
    inputs = {"data/raw": source} | {name.replace("_", "/"): found for name, found in more.items()}
    spec = curate.Curate.of([read_step(step) for step in steps], ["data/raw"])
    result = curate.STAGE.run(spec, inputs, Context(folder, Actor("ana")))
    return kept(folder), result.summary


@pytest.mark.data
def test_near_copies_are_never_in_two_parts(tmp_path: Path) -> None:
    pairs = banking()[:3000]
    copies = [(text.upper() + " ", label) for text, label in pairs[:300]]
    copies += [(f"{text} Thanks!", label) for text, label in pairs[300:600] if len(text) > 60]
    source = examples(tmp_path / "raw", pairs + copies)
    found, summary = cleaned(tmp_path / "made", source, {"split": SHARES})
    rows = list(read_rows(found.folder))
    parts = summary["funnel"][-1]["told"]["parts"]
    for name, share in SHARES.items():
        assert abs(parts[name] / len(rows) - share) < 0.03
    own = {row["id"]: row["part"] for row in rows}
    originals = {text.lower().strip(): str(n) for n, (text, _) in enumerate(pairs)}
    apart = 0
    for n, (text, _) in enumerate(copies, len(pairs)):
        original = originals[text.lower().strip().removesuffix(" thanks!")]
        apart += own[str(n)] != own[original]
    assert apart == 0


@pytest.mark.data
def test_no_two_real_questions_that_are_nearly_the_same_are_parted() -> None:
    texts = [" ".join(text.lower().split()) for text, _ in banking()]
    runs = [{text[n : n + 8] for n in range(max(1, len(text) - 7))} for text in texts]
    places: dict[str, list[int]] = defaultdict(list)
    for number, own in enumerate(runs):
        for run in own:
            places[run].append(number)
    found = groups([buckets(texts)])
    near = 0
    for number, own in enumerate(runs):
        rare = (other for run in own if len(places[run]) < 400 for other in places[run])
        shared = Counter(other for other in rare if other > number)
        for other in (other for other, count in shared.items() if count >= 0.6 * len(own)):
            if len(own & runs[other]) / len(own | runs[other]) >= 0.8:
                near += 1
                assert found[number] == found[other], (texts[number], texts[other])
    assert near > 50
    assert np.bincount(found).max() < 50  # nor is everything near everything


@pytest.mark.data
def test_planted_copies_of_documents_stay_together() -> None:
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = []
    for file in sorted(real("corpus").glob("*.parquet"))[:2]:
        rows += pq.read_table(file, columns=["src", "text", "orig", "plant"]).to_pylist()
    places = {row["src"]: n for n, row in enumerate(rows) if not row["plant"]}
    found = groups([buckets([row["text"] for row in rows])]).tolist()
    planted = [(n, places[r["orig"]]) for n, r in enumerate(rows) if r["orig"] in places]
    assert len(planted) > 20
    assert all(found[copy] == found[original] for copy, original in planted)
    assert max(Counter(found).values()) < len(rows) / 20  # and not all with all


def test_a_row_stays_in_its_part_when_others_come(tmp_path: Path) -> None:
    pairs = [(f"Question {n} about {n * n} things", "a") for n in range(200)]
    first, _ = cleaned(tmp_path / "a", examples(tmp_path / "x", pairs), {"split": SHARES})
    again, _ = cleaned(
        tmp_path / "b",
        examples(tmp_path / "y", [("Something else altogether", "b"), *pairs]),
        {"split": SHARES},
    )
    before = {row["text"]: row["part"] for row in read_rows(first.folder)}
    after = {row["text"]: row["part"] for row in read_rows(again.folder)}
    assert before == {text: after[text] for text in before}
    other, _ = cleaned(
        tmp_path / "c", examples(tmp_path / "z", pairs), {"split": SHARES | {"seed": 1}}
    )
    assert before != {row["text"]: row["part"] for row in read_rows(other.folder)}


def test_a_part_is_a_data_set(tmp_path: Path) -> None:
    pairs = [(f"Question {n} about {n * n} things", "a") for n in range(200)]
    split, summary = cleaned(tmp_path / "a", examples(tmp_path / "x", pairs), {"split": SHARES})
    ctx = Context(tmp_path / "part", Actor("ana"))
    ctx.work.mkdir()
    made = part.STAGE.run(part.Part("test"), {"data": split}, ctx).summary
    assert made["examples"] == summary["funnel"][-1]["told"]["parts"]["test"]
    assert {row["part"] for row in read_rows(ctx.work)} == {"test"}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "names no parts"),
        ({"train": 0.5, "test": 0.4}, r"the shares make 0\.9"),
        ({"train": 1.0}, "no two parts"),
        ({"Train": 0.5, "test": 0.5}, "no name of a part"),
        ({"train": 1.0, "test": 0.0}, "all above 0"),
    ],
)
def test_shares_that_make_no_split_are_refused(value: Any, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        read_step({"split": value})


def test_settings_survive_being_written_down() -> None:
    from inhouse.data.recipe import restored

    for entry in ({"split": SHARES}, {"domain": {"in": "data/a", "out": "data/b", "keep": 0.2}}):
        step = read_step(entry)
        assert restored(step.plain) == step
    assert read_step({"domain": {"in": "data/a", "out": "data/b"}}).refs == ["data/a", "data/b"]


@pytest.mark.parametrize(
    ("there", "rows", "kept"),
    [
        ({"a": 80, "b": 20}, 10, {"a": 8, "b": 2}),
        ({"a": 97, "b": 2, "c": 1}, 10, {"a": 8, "b": 1, "c": 1}),
        ({"a": 1, "b": 1}, 10, {"a": 1, "b": 1}),
        ({"": 50}, 7, {"": 7}),
        ({"a": 5, "b": 5, "c": 5}, 2, {"a": 1, "b": 1, "c": 0}),
    ],
)
def test_each_label_keeps_its_share(there: dict[str, int], rows: int, kept: dict[str, int]) -> None:
    assert quotas(there, rows) == kept


@pytest.mark.data
def test_a_domain_is_kept_and_how_sure_that_is_is_told(tmp_path: Path) -> None:
    pairs = banking()
    cards = {"card_arrival", "lost_or_stolen_card", "card_not_working", "activate_my_card"}
    Random(0).shuffle(pairs)
    inside = [pair for pair in pairs if pair[1] in cards]
    outside = [pair for pair in pairs if "transfer" in pair[1] or "exchange" in pair[1]]
    crawl = inside[100:200] + outside[100:300]
    given = {
        "data_in": examples(tmp_path / "in", inside[:100]),
        "data_out": examples(tmp_path / "out", outside[:100]),
    }
    step = {"domain": {"in": "data/in", "out": "data/out", "keep": 0.5}}
    source = examples(tmp_path / "raw", crawl)
    found, summary = cleaned(tmp_path / "made", source, step, **given)
    labels = [row["label"] for row in read_rows(found.folder)]
    assert sum(label in cards for label in labels) >= 90
    assert sum(label not in cards for label in labels) <= 20
    told = summary["funnel"][-1]["told"]
    assert told["learnt from"] == 200
    assert told["accuracy"] > 0.85
    assert summary["funnel"][-1]["dropped"] == {"outside": len(crawl) - len(labels)}


def test_a_domain_needs_rows_of_both_sides(tmp_path: Path) -> None:
    given = {
        "data_in": examples(tmp_path / "in", [("One", "a")]),
        "data_out": examples(tmp_path / "out", [("Two", "a")]),
    }
    source = examples(tmp_path / "raw", [("Three", "a")])
    with pytest.raises(BadInput, match="at least 20 of each"):
        cleaned(
            tmp_path / "made", source, {"domain": {"in": "data/in", "out": "data/out"}}, **given
        )


def test_a_batch_of_which_nothing_is_left_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "GROUP_ROWS", 2)
    texts = ["<html></html>", "<html></html>", "Leave is 30 days.", "Ask the desk."]
    source = examples(tmp_path / "raw", [(text, "a") for text in texts])
    for step in ({"split": SHARES}, {"sample": 2}):
        found, _ = cleaned(tmp_path / next(iter(step)), source, "extract", step)
        assert [row["id"] for row in read_rows(found.folder)] == ["2", "3"]
