"""A classifier from many examples: encoder and head learn together, and the best epoch is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean

import numpy as np

from inhouse.models.examples import HELD_OUT, Examples, batches, folds, weights
from inhouse.train import encoder
from inhouse.train.class_learner import ClassLearner, Floats
from inhouse.train.learnt import KEEP_EVERY, WEIGHTS, Learnt, Setting

CHECKPOINT, BEST = "checkpoint.safetensors", "best.safetensors"
LEAST_STEPS, MOST_EPOCHS = 40, 16
"""Few batches are learnt from more often than asked for: a dozen steps teach a new head nothing."""
SCRATCH = (CHECKPOINT, f"{CHECKPOINT}.part", BEST, f"{BEST}.part")


@dataclass(frozen=True, slots=True)
class Tuned:
    """How to learn; `rates` are those of encoder and head."""

    epochs: int
    batch: int
    rates: tuple[float, float]
    smoothing: float


def learn(examples: Examples, how: Tuned, setting: Setting) -> Learnt:
    """Learn from nine of ten examples, and tell after which epoch the others are told best."""
    fold = folds(examples, HELD_OUT)
    known, held = (examples.part(np.flatnonzero(mask)) for mask in (fold != 0, fold == 0))
    learner = ClassLearner(setting.base, classes=len(examples.classes), tokens=setting.tokens)
    rows, unseen = learner.read(known.texts), learner.read(held.texts)
    lengths, chance = [len(row) for row in rows], Random(setting.ctx.seed)
    each = -(-len(rows) // how.batch)
    epochs = max(how.epochs, min(-(-LEAST_STEPS // each), MOST_EPOCHS))
    plan = [batch for _ in range(epochs) for batch in batches(lengths, how.batch, chance)]
    counts = weights(known.sizes)
    checkpoint, best = setting.ctx.work / CHECKPOINT, setting.ctx.work / BEST
    told = learner.resume(checkpoint) if checkpoint.is_file() else {"losses": [], "accuracies": []}
    losses, accuracies = told["losses"], told["accuracies"]
    for number in range(len(losses), len(plan)):
        batch, share = plan[number], encoder.slope(number + 1, len(plan))
        losses.append(
            learner.step(
                [rows[row] for row in batch],
                known.labels[batch],
                rates=(how.rates[0] * share, how.rates[1] * share),
                counts=counts,
                smoothing=how.smoothing,
            )
        )
        setting.ctx.progress(number + 1, len(plan), "steps")
        if (number + 1) % each == 0:
            head = learner.head()
            scores = learner.vectors(unseen) @ head[:-1] + head[-1]
            accuracies.append(float((scores.argmax(1) == held.labels).mean()))
            if accuracies[-1] >= max(accuracies):
                learner.write(setting.ctx.work / WEIGHTS)
                _write(best, head, scores)
        if (number + 1) % KEEP_EVERY == 0 or (number + 1) % each == 0:
            learner.keep(checkpoint, told)
    head, scores = _read(best)
    return Learnt(
        head,
        scores,
        held.labels,
        {
            "way": "tuned",
            "accuracy_by_epoch": [round(accuracy, 4) for accuracy in accuracies],
            "epoch": max(n for n, a in enumerate(accuracies, 1) if a == max(accuracies)),
            "steps": len(plan),
            "padding": round(_padding(lengths, plan), 4),
            "first_loss": round(fmean(losses[: max(each // 10, 1)]), 4),
            "last_loss": round(fmean(losses[-max(each // 10, 1) :]), 4),
        },
    )


def _padding(lengths: list[int], plan: list[list[int]]) -> float:
    """Return the share of tokens that only fill up batches."""
    read = sum(lengths[row] for batch in plan for row in batch)
    return 1 - read / sum(len(batch) * max(lengths[row] for row in batch) for batch in plan)


def _write(path: Path, head: Floats, scores: Floats) -> None:
    import torch

    found = {"head": torch.from_numpy(head), "scores": torch.from_numpy(scores)}
    encoder.write(path, found, {})


def _read(path: Path) -> tuple[Floats, Floats]:
    from safetensors.numpy import load_file

    found = load_file(path)
    return found["head"], found["scores"]
