"""The stage that adapts an embedder to documents, without anybody's labels.

Its unfinished work is a checkpoint, so that a run which was cut off goes on where it stood and ends
in the same bytes. What it writes is laid out like a pulled model, for `inhouse.models.build`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from random import Random
from statistics import fmean

from inhouse.catalog.rows import read_documents
from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput, MissingExtra
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.models.pull import context_tokens, kind_of
from inhouse.models.weight_files import is_weights, read_json
from inhouse.train.encoder import slope
from inhouse.train.pairs import Cut, Pair, batches, titled

BASE = "base"
WEIGHTS = "model.safetensors"
CHECKPOINT = "checkpoint.safetensors"
SCRATCH = (CHECKPOINT, f"{CHECKPOINT}.part")
KEEP_EVERY = 20


@dataclass(frozen=True, slots=True)
class Embed:
    """How to learn.

    Args:
        epochs: how often a pair is drawn from each section.
        steps: the most batches that are learnt from, so that it takes minutes and not days.
        batch: pairs that are told apart at once.
        tokens: the most tokens of a text that are read.
        rate: the highest learning rate; it rises over the first tenth and falls to 0.
        temperature: what scores are divided by; the lower, the harder near misses are pushed.
    """

    epochs: int = 1
    steps: int = 500
    batch: int = 32
    tokens: int = 96
    rate: float = 2e-5
    temperature: float = 0.05


def stage(cut: Cut) -> Stage:
    """Return the stage; `cut` makes passages of a document, as the search will see them.

    Its input ``base`` is the embedder to start from, all others are documents to learn from.
    """

    def run(spec: Embed, inputs: Inputs, ctx: Context) -> Result:
        require_train()
        base = inputs[BASE]
        check_base(base)
        # By role, so that no chance of order comes in.
        folders = [source.folder for role, source in sorted(inputs.items()) if role != BASE]
        plan = _plan(spec, folders, cut, ctx.seed)
        losses = _learn(spec, base.folder, plan, ctx)
        copy_beside(base.folder, ctx.work)
        config = read_json(base.folder / "config.json")
        about = base.artifact.summary
        edge = max(len(losses) // 10, 1)
        summary = {
            "kind": "embedder",
            "architecture": config["model_type"],
            "parameters": about.get("parameters", 0),
            "licence": about.get("licence", ""),
            "context_tokens": context_tokens(base.folder, config),
            "pairs": sum(map(len, plan)),
            "steps": len(plan),
            "first_loss": round(fmean(losses[:edge]), 4),
            "last_loss": round(fmean(losses[-edge:]), 4),
        }
        return Result(summary, scratch=SCRATCH)

    return Stage("train.embed", 2, run)


def require_train(what: str = "Adapting an embedder") -> None:
    """Make sure that what learns is there, without loading it.

    Raises:
        MissingExtra: it is not installed.
    """
    if not (find_spec("torch") and find_spec("transformers")):
        raise MissingExtra(what, "train")


def check_base(base: Input, aim: str = "find") -> None:
    """Refuse a base that is no embedder, so that it cannot learn to do what is aimed at.

    Raises:
        BadInput: it is none.
    """
    config = read_json(base.folder / "config.json")
    ref = base.artifact.ref.path
    if kind_of(config) != "embedder":
        raise BadInput(
            f"{ref} is no embedder, so it cannot learn to {aim}.",
            "Name an embedder under 'base', such as one from minilm-l6.",
        )


def _plan(spec: Embed, folders: Sequence[Path], cut: Cut, seed: int) -> list[list[Pair]]:
    """Return the batches of all steps: a pure function of its arguments."""
    chance = Random(seed)
    found: list[list[Pair]] = []
    for _ in range(spec.epochs):
        documents = (document for folder in folders for document in read_documents(folder))
        found += batches(titled(documents, cut), spec.batch, chance, most=spec.steps)
    if any(len(batch) < 2 for batch in found):
        raise BadInput(
            "The documents have too few headings with text under them to learn from.",
            "Name data sets with more pages under 'on', or use the base as it is.",
        )
    return found[: spec.steps]


def _learn(
    spec: Embed, base: Path, plan: Sequence[Sequence[Pair]], ctx: Context
) -> Sequence[float]:
    """Take all steps, going on from a checkpoint, and write the weights; return the losses."""
    from inhouse.train.learner import Learner

    tokens = min(spec.tokens, context_tokens(base, read_json(base / "config.json")))
    learner = Learner(base, tokens=tokens, temperature=spec.temperature)
    checkpoint = ctx.work / CHECKPOINT
    losses = learner.resume(checkpoint) if checkpoint.is_file() else []
    for number in range(len(losses), len(plan)):
        rate = spec.rate * slope(number + 1, len(plan))
        losses.append(learner.step(plan[number], rate=rate))
        ctx.progress(number + 1, len(plan), "steps")
        if (number + 1) % KEEP_EVERY == 0:
            learner.save(checkpoint, losses)
    learner.write(ctx.work / WEIGHTS)
    return losses


def copy_beside(base: Path, work: Path) -> None:
    """Take over what lies beside the weights: tokenizer, settings, licence."""
    for path in sorted(base.rglob("*")):
        if path.is_file() and not is_weights(path.name):
            target = work / path.relative_to(base)
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)
