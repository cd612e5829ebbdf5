"""How one of several forms of a language model is chosen, with models that know words alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from inhouse.compress.language import MODEL, REPORT, TEST, Shrink, stage
from inhouse.core.access import Actor
from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.label import Label
from inhouse.core.protocols import Piece, Sampling, TokenScore, Usage
from inhouse.core.stage import Context

WORDS, TABLE = 50, "table.json"


class Window(NamedTuple):
    tokens: Any
    counts: Any


class Unigram:
    """A language model that goes by how frequent a word is; its file says how frequent."""

    def __init__(self, folder: Path) -> None:
        self.chances = np.array(json.loads((folder / TABLE).read_text()))
        self.closed = False

    async def score(self, text: Sequence[int], *, top: int = 0) -> Sequence[TokenScore]:
        told = [float(np.log(self.chances[token])) for token in text[1:]]
        return [TokenScore(id, b"", told) for id, told in zip(text, [None, *told], strict=True)]

    async def complete(self, prompt: Sequence[int], sampling: Sampling) -> AsyncIterator[Piece]:
        for place in range(sampling.max_tokens or 0):
            yield Piece("a", None, Usage(len(prompt), place + 1))

    async def close(self) -> None:
        self.closed = True


def true_chances() -> np.ndarray:
    found = np.random.default_rng(4).gamma(1.0, size=WORDS)
    return found / found.sum()


def texts(folder: Path, length: int, most: int) -> list[Window]:
    draw = np.random.default_rng(5)
    counts = np.arange(length) > 0
    return [Window(draw.choice(WORDS, length, p=true_chances()), counts) for _ in range(most)]


def form(folder: Path, noise: float, padding: int) -> Input:
    """Write a model whose frequencies are off by so much, with so many bytes beside it."""
    folder.mkdir(parents=True)
    chances = true_chances() * np.exp(np.random.default_rng(6).normal(0, noise, WORDS))
    (folder / TABLE).write_text(json.dumps(list(chances / chances.sum())))
    (folder / "rest.bin").write_bytes(bytes(padding))
    summary = {"kind": "language", "precision": "int8", "parameters": WORDS}
    artifact = Artifact(
        ref=Ref.parse("models/x"), recipe="test", code=1, params={}, parents=(), digest="",
        files={}, label=Label.OPEN, created=datetime(2026, 1, 1, tzinfo=UTC), actor="test",
        seconds=0.0, summary=summary,
    )  # fmt: skip
    return Input(artifact, folder)


@pytest.mark.parametrize(
    ("spec", "kept", "within"),
    [
        (Shrink(0.02), "coarse", True),
        (Shrink(0.001), "fine", True),
        (Shrink(0.0), "fine", False),
        (Shrink(0.02, mb=0.03), "coarse", True),
        (Shrink(0.02, mb=0.01), "coarse", False),
        (Shrink(0.5, mb=0.01), "broken", True),
    ],
)
def test_one_form_is_kept_and_told_about(spec: Shrink, kept: str, within: bool, tmp_path: Path):
    opened: list[Unigram] = []

    def open_one(source: Input) -> Unigram:
        opened.append(Unigram(source.folder))
        return opened[-1]

    inputs = {
        MODEL: form(tmp_path / "model", 0.0, 90_000),
        TEST: form(tmp_path / "test", 0.0, 0),
        "fine": form(tmp_path / "fine", 0.01, 40_000),
        "coarse": form(tmp_path / "coarse", 0.1, 20_000),
        "broken": form(tmp_path / "broken", 0.7, 5_000),
    }
    work = tmp_path / "work"
    work.mkdir()
    seen: list[tuple[int, int]] = []
    context = Context(work, Actor("ana"), progress=lambda done, all, _: seen.append((done, all)))
    told = stage(open_one, texts).run(spec, inputs, context).summary
    assert (told["form"], told["within"]) == (kept, within)
    assert all(model.closed for model in opened)
    assert len(opened) == 4
    assert seen[-1] == (4 * spec.most, 4 * spec.most)
    assert (work / TABLE).read_bytes() == (tmp_path / kept / TABLE).read_bytes()
    report = json.loads((work / REPORT).read_text())
    assert [one["form"] for one in report["forms"]] == ["broken", "coarse", "fine"]
    assert (told["kind"], told["precision"]) == ("language", "int8")
    assert told["bytes_before"] > 90_000 > told["bytes_after"]
    rises = [one["rise"]["share"] for one in report["forms"]]
    assert rises == sorted(rises, reverse=True)
