"""Training: CPU seconds a token beside a bare loop and transformers' Trainer, and what is wasted.

What is equal and what is not:

- All ways learn all weights of the same model from the same number of rows of tokens in a row, in
  float32 where the processor has no bfloat16, with AdamW and gradients clipped to 1. Ours mixes
  its rows, the others read them one after the other.
- Each round is a process of its own, one way after the other, and counts all steps but the first.
  What is measured before and after training is left out.
- Ours takes a step in parts that fit into memory; the peers take it at once, as their users do.
- Small is a Llama of 9 million parameters with weights by chance.
- What is wasted are places in rows without a token: conversations packed by ours, and filled up to
  the longest of eight by chance, which is what a collator does.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness.artifacts import opened
from bench.harness.measure import Goal, Measure, Row, Samples
from bench.harness.mixed import base, tokens_of
from inhouse.catalog.rows import write_rows
from inhouse.core.access import Actor
from inhouse.core.stage import Context
from inhouse.models.spelling import spelling_of
from inhouse.train import tokenise
from inhouse.train.samples import samples_of
from inhouse.train.tokens import About, Tokenised, Tokens, write_tokens

ROUNDS = 3
LENGTH, EIGHT, LEAST_PEAK = 1024, 8, 0.45
LARGE, SMALL = (1024, 1, 6), (512, 8, 8)
"""Length of a row, rows of a step, and steps."""
PEERS = {"bare": ("a bare loop of PyTorch", 1.03), "trainer": ("transformers' Trainer", 1.0)}
"""Who is beside, and how many times its CPU seconds ours may take."""
WORKER = "bench.workers.train_steps"


def run() -> Iterator[Row]:
    """Measure both models beside both peers, then what is wasted; nothing without the data."""
    data = Path(os.environ.get("INHOUSE_DATA", ""))
    if not (data / "peps").is_dir():
        print("INHOUSE_DATA names no folder with peps: nothing measured.", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory(prefix="training-") as name:
        folder = Path(name)
        yield from wasted(folder, data)
        ids = tokens_of(data)["proposals"]
        model = large(folder / "large")
        written(folder / "texts", ids, 49_152, model)
        yield from beside("SmolLM2-135M", model, folder / "texts", LARGE)
        model = small(folder / "small")
        written(folder / "few", ids % 8_192, 8_192, model)
        yield from beside("9 M", model, folder / "few", SMALL)


def written(folder: Path, ids: Any, words: int, model: Path) -> None:  # noqa: ANN401
    """Write tokens as one long document of a model."""
    folder.mkdir()
    found = np.asarray(ids[:400_000], np.uint16)
    about = About(spelling_of(model).tokenizer, words)
    write_tokens(folder, about, [Tokenised("texts", "0" * 64, found)])


def large(folder: Path) -> Path:
    """Write SmolLM2-135M as transformers loads it."""
    from inhouse.train.language_model import load_model

    load_model(base()).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((base() / "tokenizer.json").read_bytes())
    return folder


def small(folder: Path) -> Path:
    """Write a small Llama with weights by chance."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=8_192, hidden_size=256, intermediate_size=688, num_hidden_layers=8,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=1024,
        tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((base() / "tokenizer.json").read_bytes())
    return folder


def beside(name: str, model: Path, tokens: Path, shape: Sequence[int]) -> Iterator[Row]:
    """Take some steps in all ways, one after the other, in changing order."""
    length, batch, steps = shape
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in ("ours", *PEERS)}
    for number in range(ROUNDS):
        ways = list(found)
        for way in ways if number % 2 else reversed(ways):
            command = [sys.executable, "-m", WORKER, way, str(model), str(tokens)]
            said = subprocess.run(
                [*command, *map(str, shape)],
                cwd=Path(__file__).parents[1],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            found[way].append(json.loads(said.stdout))
    thousands = (steps - 1) * batch * length / 1000

    def taken(way: str, what: str) -> list[float]:
        return [one[what] / thousands for one in found[way]]

    for way, (title, most) in PEERS.items():
        least = Measure(f"{name}, 1,000 tokens beside {way}", "CPU-s", Goal("ratio", 1 / most))
        yield Row.of(least, Samples(taken("ours", "cpu"), taken(way, "cpu")), title)
    rate = [1000 / seconds for seconds in taken("ours", "seconds")]
    theirs = [1000 / seconds for seconds in taken("bare", "seconds")]
    pace = Measure(f"{name}, pace", "tokens/s", more=True)
    yield Row.of(pace, Samples(rate, theirs), PEERS["bare"][0])
    goal = Goal("ours", LEAST_PEAK) if name.startswith("Smol") else None
    peak = Measure(f"{name}, share of what large matrices reach", "", goal, more=True)
    yield Row.of(peak, Samples([one["share"] for one in found["ours"]], None))


def wasted(folder: Path, data: Path) -> Iterator[Row]:
    """Count the places in rows of dialogues that hold no token."""
    chats, tokens = folder / "chats", folder / "packed"
    for each in (chats, tokens):
        each.mkdir()
    with (data / "dialogues" / "sgd.jsonl").open(encoding="utf-8") as lines:
        found = (json.loads(line)["messages"] for line in lines)
        rows = (
            {"id": str(n), "messages": [said | {"calls": [], "answers": ""} for said in chat]}
            for n, chat in enumerate(found)
        )
        write_rows(chats, "chats", rows)
    inputs = {"data": opened(chats, "data/chats"), "model": opened(base(), "models/base")}
    tokenise.run(tokenise.Tokenise(), inputs, Context(tokens, Actor("bench")))
    packed = Tokens(tokens)
    sizes = np.diff(np.asarray(packed.ends), prepend=0).tolist()
    random.Random(0).shuffle(sizes)
    batches = [sizes[start : start + EIGHT] for start in range(0, len(sizes), EIGHT)]
    padded = 1 - sum(sizes) / sum(max(some) * len(some) for some in batches)
    measure = Measure("dialogues, places without a token", "", Goal("ours", 0.03))
    ours = samples_of(packed, LENGTH).wasted
    yield Row.of(measure, Samples([ours], [padded]), f"filled up, {EIGHT} by chance")
