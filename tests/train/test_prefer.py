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
from train.tiny_llama import VOCABULARY, about, opened, tiny_llama

from inhouse.core.access import Actor
from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Progress, Result, silent
from inhouse.train import prefer
from inhouse.train.branches import branches, exchanged, prompted
from inhouse.train.checkpoint import newest
from inhouse.train.judged import References, fitting
from inhouse.train.learning import CHECKPOINTS
from inhouse.train.mixer import Mixer
from inhouse.train.prefer import Prefer
from inhouse.train.schedule import Phase, Schedule
from inhouse.train.tokens import Tokenised, Tokens, write_tokens

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
    write_tokens(folder, about(preferences=True), rows)
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

    work = tmp_path / "work"
    told = preferred(spec, base, pairs, work).summary
    held = told["held"][PAIRS]
    assert (told["kind"], told["loss"]) == ("language" if spec is FULL else "adapter", "dpo")
    # Before it learns it prefers nothing over what it preferred before: a loss of ln 2.
    assert held["accuracy"][0] == 0.5
    assert held["loss"][0] == round(math.log(2), 4)
    assert held["accuracy"][1] > 0.9
    assert held["margin"][1] > 0
    assert held["likelier"][1] >= held["likelier"][0]
    curves = pq.read_table(work / "curves.parquet")
    assert curves["loss"].to_pylist()[1] == pytest.approx(math.log(2), abs=2e-2)
    measured = [n for n, v in enumerate(curves[f"held accuracy {PAIRS}"].to_pylist()) if v]
    assert measured == [0, 5, 10, 15, 20, told["steps"]]
    assert curves["margin"].to_pylist()[-1] > 0
    seen = pq.read_table(work / "seen.parquet")
    assert 90 <= seen.num_rows <= 110
    assert f"| {PAIRS} | 192 | accuracy | 0.500 |" in (work / "card.md").read_text(encoding="utf-8")


@train
def test_the_first_step_loses_ln_2(pairs: Path, tmp_path: Path):
    import pyarrow.parquet as pq

    work = tmp_path / "work"
    plain = tiny_llama(tmp_path / "base")
    preferred(replace(LORA, epochs=0.2), plain, pairs, work)
    first = pq.read_table(work / "curves.parquet").to_pylist()[1]
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert (first["margin"], first["accuracy"]) == (pytest.approx(0, abs=1e-6), 0.5)


@train
def test_thumbs_are_enough(base: Path, tmp_path: Path):
    thumbs = judged(tmp_path / "thumbs", thumbs=True)
    told = preferred(LORA, base, thumbs, tmp_path / "work").summary
    held = told["held"][PAIRS]
    assert told["loss"] == "kto"
    assert held["accuracy"] == [0.5, 1.0]
    assert held["loss"][1] < held["loss"][0]
    rows = [document(number, [1, 2, 3], [[4, 5]], 1) for number in range(60)]
    (tmp_path / "good").mkdir()
    write_tokens(tmp_path / "good", about(preferences=True), rows)
    with pytest.raises(BadInput, match=r"All \d+ answers were called good"):
        preferred(LORA, base, tmp_path / "good", tmp_path / "no")


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from inhouse.train import learning, trainer
from inhouse.train.judged import References
from train import test_prefer
learning.KEEP_SECONDS = 0
where, writes, known = sys.argv[1], 0, 0
whole, add = trainer.save_file, References.add
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def save_file(tensors, path, metadata):
    global writes
    writes += 1
    whole(tensors, path, metadata)
    if where == "inside" and writes == 6:
        os.truncate(path, path.stat().st_size // 2)
        die()
def add_some(self, values):
    global known
    known += 1
    add(self, values)
    if where == "before" and known == 5:
        os.truncate(self._file, self._file.stat().st_size - 9)
        die()
trainer.save_file, References.add = save_file, add_some
test_prefer.preferred(test_prefer.{spec}, Path({base!r}), Path({pairs!r}), Path({work!r}))
"""


@train
@pytest.mark.parametrize(
    ("where", "spec"),
    [
        ("before", "FULL"),
        pytest.param("inside", "FULL", marks=pytest.mark.slow),
        pytest.param("inside", "LORA", marks=pytest.mark.slow),
        pytest.param("inside", "THUMBS", marks=pytest.mark.slow),
    ],
)
def test_killed_at_any_moment_it_ends_in_the_same_weights(
    base: Path, pairs: Path, tmp_path: Path, where: str, spec: str
):
    settings = {"FULL": FULL, "LORA": LORA, "THUMBS": LORA}[spec]
    if spec == "THUMBS":
        pairs = judged(tmp_path / "thumbs", thumbs=True)
    whole = dict(preferred(settings, base, pairs, tmp_path / "whole").summary)
    work = tmp_path / "cut"
    code = KILLED.format(
        tests=str(Path(__file__).parents[1]), spec="FULL" if settings is FULL else "LORA",
        base=str(base), pairs=str(pairs), work=str(work),
    )  # fmt: skip
    ended = subprocess.run([sys.executable, "-c", code, where], timeout=100)
    assert ended.returncode == -signal.SIGKILL
    kept = newest(work / CHECKPOINTS)
    assert (kept.step if kept else 0) == {"before": 0, "inside": 5}[where]
    assert len(References(work / CHECKPOINTS / "references.jsonl")) >= 4
    again = preferred(settings, base, pairs, work)
    name = "model.safetensors" if settings is FULL else "adapter_model.safetensors"
    assert (work / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    for told in (again_told := dict(again.summary), whole):
        del told["tokens_per_second"], told["share_of_peak"]
    assert again_told == whole
    assert f"{CHECKPOINTS}/references.jsonl" in again.scratch


@train
def test_an_answer_is_as_likely_as_it_is_alone(tmp_path: Path):
    import torch
    from torch.nn.functional import log_softmax

    from inhouse.train.language_model import load_model
    from inhouse.train.preference import likelihoods, tensors_of

    model = load_model(tiny_llama(tmp_path / "base")).eval()
    row = rows_of(judged(tmp_path / "pairs", many=8))[0]
    with torch.inference_mode():
        found = likelihoods(model, tensors_of(row)).tolist()
        alone = []
        for one in row:
            for answer in one.answers:
                whole = torch.from_numpy(np.concatenate([one.prompt, answer]))
                scores = log_softmax(model(whole[None]).logits[0], -1)
                last = len(one.prompt) - 1
                said = scores[last:-1].gather(1, whole[last + 1 :, None])
                alone.append(float(said.sum()))
    assert len(row) > 1
    assert np.allclose(found, alone, atol=1e-4)


def rows_of(folder: Path) -> list[list[object]]:
    mixer = Mixer(
        {PAIRS: Tokens(folder)}, Schedule([Phase(2, {PAIRS: 1.0})]), length=LENGTH, batch=1
    )
    batches = [mixer.at(step) for step in range(2)]
    return [list(prompted(b.tokens[0], b.loss[0], b.positions[0])) for b in batches]


def test_a_prompt_is_read_once_for_both_answers(tmp_path: Path):
    tokens = np.array([7, 8, 9, 1, 2, 9, 3, 5, 6, 4, 0, 0])
    loss = np.array([0, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0], bool)
    positions = np.array([0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 0, 1])
    row = list(prompted(tokens, loss, positions))
    assert [one.prompt.tolist() for one in row] == [[7, 8, 9], [5, 6]]
    assert [[a.tolist() for a in one.answers] for one in row] == [[[1, 2], [3]], [[4]]]
    found = branches(row)
    assert found.tokens.tolist() == [7, 8, 9, 1, 9, 5, 6]
    assert found.positions.tolist() == [0, 1, 2, 3, 2, 0, 1]
    assert found.said.tolist() == [1, 2, 3, 4]
    assert found.answer.tolist() == [0, 0, 1, 2]
    assert found.said_from.tolist() == [2, 3, 4, 6]
    sees = [np.flatnonzero(line).tolist() for line in found.visible]
    assert sees == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 4], [5], [5, 6]]
    other = exchanged(row)
    assert [(o.prompt.tolist(), o.answers[0].tolist()) for o in other] == [
        ([7, 8, 9], [4]),
        ([5, 6], [1, 2]),
    ]


def test_answers_that_are_too_long_for_a_row_are_left_out(tmp_path: Path):
    rows = [document(0, [1, 2], [[3] * 5, [4] * 5]), document(1, [1, 2], [[3] * 9, [4] * 9])]
    write_tokens(tmp_path, about(preferences=True), rows)
    found, many = fitting(Tokens(tmp_path), 16)
    assert many == 1
    assert found.loss is not None
    assert (found.loss[:13].sum(), found.loss[13:].sum()) == (10, 0)
    assert fitting(Tokens(tmp_path), 32)[1] == 0


def test_other_tokens_are_refused_on_both_sides(base: Path, pairs: Path, tmp_path: Path):
    from train.tiny_llama import DATA, repeated, trained

    from inhouse.train.language import Language

    plain = repeated(tmp_path / "notes")
    with pytest.raises(BadInput, match="data/pairs holds no preferences"):
        preferred(LORA, base, plain, tmp_path / "no")
    wrong = Language("instruct", ((DATA, 1.0),), length=LENGTH)
    with pytest.raises(BadInput, match=r"holds preferences\. Learn .* 'method: prefer'"):
        trained(wrong, base, {DATA: pairs}, tmp_path / "neither")


@train
def test_prompts_that_are_too_long_are_counted(base: Path, pairs: Path, tmp_path: Path):
    with pytest.raises(
        BadInput, match=r"of \d+ prompts \d+ are longer with their answers"
    ) as found:
        preferred(replace(LORA, length=8), base, pairs, tmp_path / "work")
    assert "'length'" in str(found.value.fix)
