"""Preferences: what it costs to learn from a pair, and how many held-out pairs are told apart.

What is equal and what is not:

- The pairs are dialogues whose last answer people have judged, the short ones. Both begin with
  SmolLM2-135M-instruct in float32, learn from the same pairs once, with the same adapter, rates and
  beta, and are judged by the same code on pairs that neither has seen.
- The peer is trl's DPOTrainer as its users write it: eight pairs a step, padded, in an order of
  chance. What it does to save memory at the cost of time (checkpoints of gradients) is off, and so
  is bfloat16, which this machine may not have.
- Ours packs rows of 512 tokens, two a step, and keeps a tenth of the pairs out, which it measures
  before and after: what that takes counts as ours.
- "Told apart" is by the implicit reward: how much likelier the chosen answer has become, beside the
  rejected one; .5 before. "Likelier" is by the likelihoods themselves. Intervals are of 95 %, over
  the pairs drawn anew.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.harness.artifacts import opened
from bench.harness.measure import Figure, Row
from inhouse.catalog.rows import write_rows
from inhouse.core.access import Actor
from inhouse.core.artifact import Input
from inhouse.core.stage import Context
from inhouse.data.columns import shape_of
from inhouse.data.typed import Row as Typed
from inhouse.data.typed import typed_rows
from inhouse.evaluate.bootstrap import interval
from inhouse.models import pull
from inhouse.train import prefer, tokenise
from inhouse.train.tokens import Tokens

PAIRS = "data/pairs"
TURNS = ("prompt", "chosen", "rejected")
LEARNT, ASKED = 288, 240
CHARACTERS = 450
RATE, BETA, RANK, LENGTH = 3e-4, 0.1, 16, 512
PEER = "trl DPOTrainer"

Rows = Sequence[Mapping[str, Any]]
Likely = NDArray[np.float64]


def run() -> Iterator[Row]:
    """Measure ours and the peer; nothing if data or what learns are missing."""
    file = Path(os.environ.get("INHOUSE_DATA", ""), "preferences", "dpo.jsonl")
    if not (file.is_file() and find_spec("torch")):
        print("INHOUSE_DATA names no folder with preferences, or there is no torch.")
        return
    rows = short(file)
    asked, known = rows[:ASKED], rows[ASKED : ASKED + LEARNT]
    with tempfile.TemporaryDirectory() as folder:
        base = pulled(Path(folder, "base"))
        test = tokens(Path(folder, "test"), base, asked)
        before = likely(base.folder, None, test)
        work = Path(folder, "ours")
        spent, many = ours(work, base, known)
        after = likely(base.folder, work, test)
        print(f"ours: {spent:.0f} CPU-seconds for {many} pairs", file=sys.stderr)
        theirs, other = None, None
        if find_spec("trl"):
            gc.collect()  # ours is not to take the memory that the peer needs
            seen = set(pq.read_table(work / "seen.parquet")["id"].to_pylist())
            theirs, model = peer(Path(folder, "peer"), base, [r for r in known if r["id"] in seen])
            other = likelihoods_of(model, test)
            print(f"{PEER}: {theirs:.0f} CPU-seconds", file=sys.stderr)
        yield cost(spent / many, None if theirs is None else theirs / many)
        theirs_apart = None if other is None else apart(other - before)
        yield accuracy(
            "told apart by reward (.5 before)", apart(after - before), theirs_apart, least=0.5
        )
        first, last = apart(before), apart(after)
        name = f"chosen answer is likelier ({first.mean():.3f} before)"
        yield accuracy(name, last, None if other is None else apart(other))
        yield accuracy("likelier after, less before", last - first, None, least=0.0)


def short(file: Path) -> Rows:
    """Return the short pairs of a file, as rows of a data set of preferences."""
    with file.open(encoding="utf-8") as lines:
        shape = shape_of([json.loads(line) for line in islice(lines, 10)])
    with file.open("rb") as table:
        found = [row for row in typed_rows(file.name, table, shape) if isinstance(row, Typed)]
    sizes = [
        sum(len(turn["content"]) for name in TURNS for turn in row.values[name]) for row in found
    ]
    return [
        {"id": row.place, **row.values}
        for row, size in zip(found, sizes, strict=True)
        if size <= CHARACTERS
    ]


def pulled(folder: Path) -> Input:
    """Fetch the model that both start from."""
    folder.mkdir()
    named = pull.Pull.named("smollm2-135m-instruct")
    found = pull.run(named, {}, Context(folder, Actor("bench")))
    return opened(folder, "models/base", dict(found.summary))


def tokens(folder: Path, base: Input, rows: Rows) -> Input:
    """Write rows and make tokens of them."""
    given, made = folder / "rows", folder / "tokens"
    for each in (given, made):
        each.mkdir(parents=True)
    write_rows(given, "preferences", rows)
    inputs = {"data": opened(given, PAIRS), "model": base}
    tokenise.run(tokenise.Tokenise(), inputs, Context(made, Actor("bench")))
    return opened(made, PAIRS)


def ours(work: Path, base: Input, rows: Rows) -> tuple[float, int]:
    """Learn from rows; return CPU seconds, and from how many pairs it has learnt."""
    import torch  # noqa: F401 - what it takes to load is not measured

    spec = prefer.Prefer(
        "prefer", ((PAIRS, 1.0),), epochs=1, length=LENGTH, batch=2, rate=RATE, lora=RANK, beta=BETA
    )
    work.mkdir()
    started = time.process_time()
    inputs = {"base": base, PAIRS: tokens(work / "given", base, rows)}
    told = prefer.run(spec, inputs, Context(work, Actor("bench"))).summary
    spent = time.process_time() - started
    print(f"ours: {told['steps']} steps, {told['held']}", file=sys.stderr)
    return spent, pq.read_table(work / "seen.parquet").num_rows


def peer(folder: Path, base: Input, rows: Rows) -> tuple[float, Any]:
    """Learn from rows with trl; return CPU seconds, and the model."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import PreTrainedTokenizerFast
    from trl import DPOConfig, DPOTrainer

    from inhouse.train.language_model import load_model

    kept = ("role", "content")
    plain = [
        {name: [{key: turn[key] for key in kept} for turn in row[name]] for name in TURNS}
        for row in rows
    ]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(base.folder / "tokenizer.json"), eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        chat_template=(base.folder / "chat_template.jinja").read_text(encoding="utf-8"),
    )  # fmt: skip
    adapter = LoraConfig(
        r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    settings = DPOConfig(
        output_dir=str(folder), beta=BETA, learning_rate=RATE, num_train_epochs=1,
        per_device_train_batch_size=8, lr_scheduler_type="cosine", warmup_steps=2,
        weight_decay=0.01, bf16=False, gradient_checkpointing=False, save_strategy="no",
        report_to="none", use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    started = time.process_time()
    trainer = DPOTrainer(
        load_model(base.folder), args=settings, train_dataset=Dataset.from_list(plain),
        processing_class=tokenizer, peft_config=adapter,
    )  # fmt: skip
    trainer.train()
    return time.process_time() - started, trainer.model


def likely(base: Path, adapter: Path | None, test: Input) -> Likely:
    """Return how likely a model says both answers of each pair."""
    from peft import PeftModel

    from inhouse.train.language_model import load_model

    model = load_model(base)
    return likelihoods_of(PeftModel.from_pretrained(model, adapter) if adapter else model, test)


def likelihoods_of(model: Any, test: Input) -> Likely:  # noqa: ANN401
    """Return the logarithms of how likely both answers of each pair are, [pairs, 2]."""
    import torch

    from inhouse.train.judged import JudgedRows, fitting
    from inhouse.train.preference import likelihoods, tensors_of
    from inhouse.train.stream import once

    found, _ = fitting(Tokens(test.folder), LENGTH)
    rows = JudgedRows(once(PAIRS, found, length=LENGTH), {PAIRS: found})
    said = []
    with torch.inference_mode():
        model.eval()
        for step in range(len(rows)):
            said += [likelihoods(model, tensors_of(one.row)) for one in rows.at(step)]
    return np.array(torch.cat(said).view(-1, 2), np.float64)


def apart(scores: Likely) -> NDArray[np.float64]:
    """Return of each pair whether the chosen answer has the higher score; half if they are even."""
    margins = scores[:, 0] - scores[:, 1]
    return np.where(margins == 0, 0.5, margins > 0)


def cost(mine: float, other: float | None) -> Row:
    """Return the row of what a pair costs."""
    ratio = None if other is None else Figure.of([other / mine])
    return Row(
        name="learning from a pair",
        unit="CPU-s",
        ours=Figure.of([mine]),
        peer_name=None if other is None else PEER,
        peer=None if other is None else Figure.of([other]),
        ratio=ratio,
        target="≥ 1x",
        ok=None if ratio is None else ratio.value >= 1,
    )


def accuracy(
    name: str,
    mine: NDArray[np.float64],
    other: NDArray[np.float64] | None,
    *,
    least: float | None = None,
) -> Row:
    """Return the row of a share of pairs; it is to be above `least` with its whole interval."""
    found = figure(mine)
    return Row(
        name=name,
        unit="",
        ours=found,
        peer_name=None if other is None else PEER,
        peer=None if other is None else figure(other),
        ratio=None,
        target=None if least is None else f"surely > {least:g}",
        ok=None if least is None else found.low > least,
    )


def figure(values: NDArray[np.float64]) -> Figure:
    """Return a mean with its interval."""
    found = interval(values.tolist())
    return Figure(found.mean, found.low, found.high)
