"""A language model learns which answers people prefer, from pairs and from thumbs."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from train.tiny_llama import VOCABULARY, opened, tiny_llama

from inhouse.core.access import Actor
from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Progress, Result, silent
from inhouse.train import prefer
from inhouse.train.branches import branches, exchanged, prompted
from inhouse.train.checkpoint import newest
from inhouse.train.judged import References, fitting
from inhouse.train.language import CHECKPOINTS
from inhouse.train.mixer import Mixer
from inhouse.train.prefer import Prefer
from inhouse.train.schedule import Phase, Schedule
from inhouse.train.tokens import About, Tokenised, Tokens, write_tokens

LENGTH, BATCH = 48, 4
PAIRS = "data/pairs"
LORA = Prefer(
    "prefer", ((PAIRS, 1.0),), epochs=3, length=LENGTH, batch=BATCH, rate=1e-2, lora=4, watch=5
)
FULL = replace(LORA, lora=0, rate=1e-3)

train = pytest.mark.train


def judged(folder: Path, *, thumbs: bool = False, many: int = 120) -> Path:
    """Write prompts whose good answers say small tokens, and whose bad ones large ones."""
    folder.mkdir()
    draw = np.random.default_rng(4)
    rows = []
    for number in range(many):
        prompt = draw.integers(1, VOCABULARY, draw.integers(2, 8))
        good = draw.integers(1, VOCABULARY // 2, draw.integers(1, 7))
        bad = draw.integers(VOCABULARY // 2, VOCABULARY, draw.integers(1, 7))
        answers = [good, bad]
        verdict = 0
        if thumbs:
            verdict = 1 if number % 3 else -1
            answers = [good if verdict > 0 else bad]
        rows.append(document(number, prompt, answers, verdict))
    about = About("tiny", VOCABULARY, template="chat", preferences=True)
    write_tokens(folder, about, rows)
    return folder


def document(number: int, prompt: object, answers: list[object], verdict: int = 0) -> Tokenised:
    ids, loss = [np.array(prompt)], [np.zeros(len(np.array(prompt)), bool)]
    for place, answer in enumerate(map(np.array, answers)):
        if place:
            ids.append(ids[0][-1:])
            loss.append(np.zeros(1, bool))
        ids.append(answer)
        loss.append(np.ones(len(answer), bool))
    return Tokenised(
        f"{number}", f"{number:064x}", np.concatenate(ids), np.concatenate(loss), verdict
    )


def preferred(
    spec: Prefer, base: Path, pairs: Path, work: Path, *, progress: Progress = silent
) -> Result:
    work.mkdir(exist_ok=True)
    inputs = {"base": opened(base, "models/tiny"), PAIRS: opened(pairs, PAIRS)}
    return prefer.STAGE.run(spec, inputs, Context(work, Actor("ana"), 0, progress))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base") / "tiny", dropout=0.1)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return judged(tmp_path_factory.mktemp("tokens") / "pairs")


@train
@pytest.mark.parametrize("spec", [LORA, FULL], ids=["lora", "full"])
def test_it_tells_the_answers_apart_that_people_prefer(
    base: Path, pairs: Path, tmp_path: Path, spec: Prefer
):
    import pyarrow.parquet as pq

    told = preferred(spec, base, pairs, tmp_path / "work").summary
    print(told)
    assert told["loss"] == "dpo"
    held = told["held"][PAIRS]
    assert held["accuracy"][0] == 0.5
    assert held["accuracy"][1] > 0.9
