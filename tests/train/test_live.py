"""A model is looked at while it learns, and learns the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from project.test_project_trained import tiny_base
from train.test_language import FULL, LORA, WEIGHTS
from train.tiny_llama import DATA, opened, repeated

from inhouse.core.access import Actor
from inhouse.core.nouns import Message
from inhouse.core.protocols import Examined
from inhouse.core.stage import Context, Result
from inhouse.train import language
from inhouse.train.language import Language

pytestmark = pytest.mark.train

TEXTS = ("Who approves leave? " * 20, "The price is seven.")
CHOICES = (" seven", " nine and more", "x")
ASKED = (Message("user", "What is the price?"),)


class Curious:
    """Asks everything that may be asked, and draws on chance."""

    def __init__(self) -> None:
        self.endings: list[list[float]] = []
        self.said: list[str] = []

    def look(self, model: Examined) -> Mapping[str, float]:
        import torch

        torch.rand(7)
        (found,) = model.endings([(TEXTS[1], CHOICES)])
        self.endings.append([one.logprob for one in found])
        self.said += model.answers([ASKED], tokens=8)
        read = model.read(TEXTS)
        return {"suites/texts lost": -sum(one.logprob for one in read) / read[0].tokens}


def run(spec: Language, folder: Path, watcher: Curious | None) -> tuple[Result, bytes]:
    work = folder / ("watched" if watcher else "alone")
    work.mkdir()
    inputs = {"base": opened(folder / "base", "models/tiny"), DATA: opened(folder / "notes", DATA)}
    told = language.STAGE.run(spec, inputs, Context(work, Actor("ana"), watcher=watcher))
    return told, (work / ("adapter_model.safetensors" if spec.lora else WEIGHTS)).read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    base = tiny_base(tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"attention_dropout": 0.1}))
    repeated(tmp_path / "notes", base=base)
    return tmp_path


@pytest.mark.parametrize("spec", [FULL, LORA])
def test_the_weights_are_the_same_to_the_last_bit(folder: Path, spec: Language):
    import pyarrow.parquet as pq

    curious, spec = Curious(), replace(spec, watch=4)
    seen, watched = run(spec, folder, curious)
    plain, alone = run(spec, folder, None)
    assert watched == alone
    assert plain.summary["suites"] == {}
    curve = pq.read_table(folder / "watched" / "curves.parquet")["suites/texts lost"].to_pylist()
    looked = [step for step, value in enumerate(curve) if value is not None]
    assert looked == [0, 4, 8, 12]
    first, last = seen.summary["suites"]["suites/texts lost"]
    assert [round(curve[0], 4), round(curve[12], 4)] == [first, last]
    assert first != last
    assert "suites/texts lost" in (folder / "watched" / "card.md").read_text()


def test_what_is_looked_at_is_the_model_that_is_written(folder: Path):
    """At the end the model in memory says what an engine says with the weights on disk."""
    from inhouse.models.examined import LocalExamined
    from inhouse.models.load import load_language

    curious = Curious()
    run(FULL, folder, curious)
    served = LocalExamined(load_language(folder / "watched", name="it", engine="transformers"))
    again = Curious()
    again.look(served)
    served.close()
    assert again.endings[0] == pytest.approx(curious.endings[-1], abs=1e-5)
    assert again.endings[0] != pytest.approx(curious.endings[0], abs=1e-1)
    assert again.said[0] == curious.said[-1]


def test_endings_behind_what_is_read_once_score_as_texts_of_their_own(folder: Path):
    import asyncio

    from inhouse.models.load import load_language

    async def both() -> tuple[list[list[float]], list[list[float]]]:
        model = load_language(folder / "base", name="it", engine="transformers")
        once, _ = await model.score_endings(TEXTS[1], CHOICES)
        whole = [await model.score(TEXTS[1] + ending) for ending in CHOICES]
        own = [
            [token.logprob or 0.0 for token in tokens if token.start >= len(TEXTS[1])]
            for tokens in whole
        ]
        await model.close()
        return [list(each) for each in once], own

    once, own = asyncio.run(both())
    assert [len(each) for each in once] == [len(ending) for ending in CHOICES]
    for found, wanted in zip(once, own, strict=True):
        assert found == pytest.approx(wanted, abs=1e-4)


def test_a_long_text_is_read_in_windows(folder: Path):
    import asyncio

    from inhouse.models.load import load_language

    async def read() -> list[tuple[float, int]]:
        model = load_language(folder / "base", name="it", engine="transformers")
        text = "abcdefghij" * 4
        found = [await model.read(text, window=window) for window in (64, 16)]
        parts = [await model.read(text[start : start + 16]) for start in (0, 15, 30)]
        await model.close()
        return [*found, (sum(total for total, _ in parts), sum(count for _, count in parts))]

    whole, windows, parts = asyncio.run(read())
    assert whole[1] == windows[1] == parts[1] == 39
    assert windows[0] == pytest.approx(parts[0], abs=1e-4)
    assert windows[0] != pytest.approx(whole[0], abs=1e-4)
