"""The stage that trains a classifier of texts: a sentence encoder with a head on its vectors.

With many examples encoder and head learn together, and held-out texts say after which epoch it is
best. With few (see `few`) the encoder stays as it is, or learns what texts of a class have in
common; logistic regression does the rest.

Its unfinished work is a checkpoint, so that a run which was cut off goes on where it stood and ends
in the same bytes. What it writes is laid out like a pulled model with a head beside it, for
`inhouse.models.build`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inhouse.catalog.rows import kind_of as rows_of
from inhouse.catalog.rows import read_rows
from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.models import calibration as measure
from inhouse.models import heads
from inhouse.models.classifier import Linear, softmax
from inhouse.models.examples import Examples
from inhouse.models.pull import context_tokens
from inhouse.models.weight_files import read_json
from inhouse.train import few, tuned
from inhouse.train.class_card import card
from inhouse.train.embed import BASE, check_base, copy_beside, require_train
from inhouse.train.learnt import Learnt, Setting

EXAMPLES = "examples"
CARD = "card.md"
SCRATCH = (*tuned.SCRATCH, *few.SCRATCH)


@dataclass(frozen=True, slots=True)
class Classify:
    """How to learn.

    Args:
        epochs: how often each example is learnt from; more often where they are few batches.
        batch: examples that are learnt from at once.
        tokens: the most tokens of a text that are read.
        rate: the highest learning rate of the encoder; it rises over the first tenth and falls to
            0. With few examples it is that of the contrast.
        head_rate: that of the head, which starts from nothing.
        smoothing: the share of a label that is spread over all classes.
        few: up to so many examples of the middle class are few.
        right: the share of answers that shall be right; with less confidence it abstains.
    """

    epochs: int = 4
    batch: int = 32
    tokens: int = 128
    rate: float = 1e-4
    head_rate: float = 2e-3
    smoothing: float = 0.05
    few: int = 16
    right: float = 0.95


def run(spec: Classify, inputs: Inputs, ctx: Context) -> Result:
    """Train on the input ``examples``, starting from the encoder ``base``.

    Raises:
        MissingExtra: what learns is not installed.
        BadInput: the base is no embedder, or the examples are not of two classes.
    """
    require_train("Training a classifier")
    base = inputs[BASE]
    check_base(base, "classify")
    examples = read_examples(inputs[EXAMPLES])
    tokens = min(spec.tokens, context_tokens(base.folder, read_json(base.folder / "config.json")))
    setting = Setting(base.folder, tokens, ctx)
    if float(np.median(examples.sizes)) <= spec.few:
        learnt = few.learn(examples, few.Few(spec.rate / 2), setting)
    else:
        how = tuned.Tuned(spec.epochs, spec.batch, (spec.rate, spec.head_rate), spec.smoothing)
        learnt = tuned.learn(examples, how, setting)
    copy_beside(base.folder, ctx.work)
    summary = _about(base, inputs[EXAMPLES], examples) | _finished(spec, learnt, examples, ctx.work)
    text = card(summary, asdict(spec), {role: str(i.artifact.ref) for role, i in inputs.items()})
    (ctx.work / CARD).write_text(text, encoding="utf-8")
    return Result(summary, scratch=SCRATCH)


STAGE = Stage("train.classify", 1, run)


def read_examples(source: Input) -> Examples:
    """Return the examples of a data set.

    Raises:
        BadInput: it holds none, or none of two classes.
    """
    if rows_of(source.folder) != "examples":
        raise BadInput(
            f"{source.artifact.ref} holds no examples.", "Name a data set of texts with labels."
        )
    rows = read_rows(source.folder, ("text", "label"))
    pairs = [(row["text"], row["label"]) for row in rows]
    try:
        return Examples.of(pairs)
    except BadInput as error:
        raise BadInput(f"{source.artifact.ref}: {error.what}", error.fix) from error


def _about(base: Input, source: Input, examples: Examples) -> dict[str, Any]:
    config = read_json(base.folder / "config.json")
    return {
        "kind": "classifier",
        "architecture": config["model_type"],
        "parameters": base.artifact.summary.get("parameters", 0),
        "licence": base.artifact.summary.get("licence", ""),
        "context_tokens": context_tokens(base.folder, config),
        "examples": len(examples.texts),
        "classes": len(examples.classes),
        "smallest_class": int(examples.sizes.min()),
        "largest_class": int(examples.sizes.max()),
    }


def _finished(spec: Classify, learnt: Learnt, examples: Examples, work: Path) -> dict[str, Any]:
    """Calibrate on what was held out, write the head, and say how good it is."""
    wanted, scores = learnt.wanted, learnt.scores
    heat = measure.temperature(scores, wanted)
    sure = softmax(scores / np.float32(heat))
    point = measure.operating(sure, wanted, right=spec.right)
    linear = Linear(examples.classes, learnt.weights / np.float32(heat))
    heads.save(heads.Head(linear, point.below), work)
    said = scores.argmax(1)
    return {
        **learnt.told,
        "held_out": len(wanted),
        "accuracy": round(float((said == wanted).mean()), 4),
        "macro_f1": round(measure.macro_f1(said, wanted), 4),
        "temperature": round(heat, 4),
        "miscalibration": round(measure.miscalibration(sure, wanted), 4),
        "abstains": {name: round(value, 4) for name, value in asdict(point).items()},
        "confused": measure.confused(said, wanted, examples.classes),
    }
