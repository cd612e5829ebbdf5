"""Takes a few steps of training in one of three ways, and prints what they took.

The arguments are the way, a folder with a model, one with tokens, and length, batch and steps. The
ways are ours, a bare loop of PyTorch, and the Trainer of transformers as it comes. All learn all
weights, from the same rows, with the same optimiser. Printed are CPU seconds and seconds of all
steps but the first, and for ours what it says of itself, as JSON.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WAY, MODEL, TOKENS = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
LENGTH, BATCH, STEPS = map(int, sys.argv[4:])
RATE = 3e-5
Took = tuple[float, float]


def used() -> Took:
    """Return the seconds so far: of all cores, and on the clock."""
    times = os.times()
    return times.user + times.system, time.perf_counter()


def ours() -> dict[str, Any]:
    """Run our stage."""
    from bench.harness.artifacts import opened
    from inhouse.core.access import Actor
    from inhouse.core.stage import Context
    from inhouse.train.language import Language, run

    at: list[Took] = []
    spec = Language(
        "continue", (("data/texts", 1.0),), tokens=STEPS * BATCH * LENGTH, length=LENGTH,
        batch=BATCH, rate=RATE, lora=0,
    )  # fmt: skip
    inputs = {"base": opened(MODEL, "models/base"), "data/texts": opened(TOKENS, "data/texts")}
    with tempfile.TemporaryDirectory() as folder:
        context = Context(Path(folder), Actor("bench"), progress=lambda *_: at.append(used()))
        told = run(spec, inputs, context).summary
    return {**between(at[0], at[-1]), "share": told["share_of_peak"]}


def rows() -> Any:  # noqa: ANN401
    """Return the rows that the peers learn from, int64 [rows, length]."""
    import torch

    from inhouse.train.tokens import Tokens

    ids = Tokens(TOKENS).ids[: STEPS * BATCH * LENGTH].astype("int64")
    return torch.from_numpy(ids).view(-1, LENGTH)


def model() -> Any:  # noqa: ANN401
    """Return the model as the peers load it."""
    import torch
    from transformers import AutoModelForCausalLM

    found = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    found.config.use_cache = False
    return found.train()


def bare() -> dict[str, Any]:
    """Run a loop as one writes it."""
    import torch

    net, given = model(), rows()
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=0.01, fused=True)
    at = []
    for step in range(STEPS):
        batch = given[step * BATCH : (step + 1) * BATCH]
        net(input_ids=batch, labels=batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        at.append(used())
    return between(at[0], at[-1])


def trainer() -> dict[str, Any]:
    """Run the Trainer of transformers."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    at: list[Took] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
            at.append(used())

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, max_steps=STEPS, per_device_train_batch_size=BATCH, learning_rate=RATE,
            weight_decay=0.01, logging_strategy="no", save_strategy="no", report_to="none",
            disable_tqdm=True, use_cpu=True,
        )  # fmt: skip
        given = [{"input_ids": row, "labels": row} for row in rows()]
        Trainer(model(), arguments, train_dataset=given, callbacks=[Clock()]).train()
    return between(at[0], at[-1])


def between(first: Took, last: Took) -> dict[str, float]:
    """Return what all steps but the first took."""
    return {"cpu": last[0] - first[0], "seconds": last[1] - first[1]}


WAYS: dict[str, Callable[[], dict[str, Any]]] = {"ours": ours, "bare": bare, "trainer": trainer}
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
answers.write(json.dumps(WAYS[WAY]()) + "\n")
