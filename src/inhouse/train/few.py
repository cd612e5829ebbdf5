"""A classifier from few examples: the encoder as it is, or after a contrast; folds say which.

Behind both comes logistic regression. The contrast pulls texts of a class together before it, which
SetFit showed to help with few labels (Tunstall et al., arXiv 2209.11055); here all pairs of a batch
are compared at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt

from inhouse.models.classifier import fit
from inhouse.models.examples import Examples, contrasts, folds
from inhouse.train import encoder
from inhouse.train.class_learner import ClassLearner, Floats
from inhouse.train.learnt import KEEP_EVERY, WEIGHTS, Learnt, Setting

FOLDS = 3
ENOUGH = 200
"""With so many texts tried, no further fold is: each takes as long as half of the learning."""
SCORES = tuple(f"fold-{fold}.safetensors" for fold in range(FOLDS))
CHECKPOINTS = tuple(f"contrast-{fold}.safetensors" for fold in range(FOLDS + 1))
"""Of each fold, and of all examples."""
SCRATCH = tuple(f"{name}{end}" for name in (*SCORES, *CHECKPOINTS) for end in ("", ".part"))
SEEN = 5
BATCH = 64
FEWEST, MOST = 20, 400

Rows = list[list[int]]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Few:
    """How to contrast: the highest rate, and what cosines are divided by."""

    rate: float
    temperature: float = 0.07


def learn(examples: Examples, how: Few, setting: Setting) -> Learnt:
    """Learn in both ways on two of three examples, and then in the better one on all.

    Other two are tried as long as few were.
    """
    plain = ClassLearner(setting.base, classes=len(examples.classes), tokens=setting.tokens)
    rows = plain.read(examples.texts)
    vectors, fold = plain.vectors(rows), folds(examples, FOLDS)
    scores = {way: np.zeros((len(rows), len(examples.classes)), np.float32) for way in WAYS}
    seen = np.zeros(len(rows), bool)
    for number in range(FOLDS):
        unseen = fold == number
        if unseen.any() and seen.sum() < ENOUGH:
            scores["frozen"][unseen] = _scores(vectors, examples, unseen)
            scores["contrast"][unseen] = _contrasted(examples, rows, unseen, how, setting, number)
            seen |= unseen
    tried = np.flatnonzero(seen)
    wanted = examples.labels[tried]
    shares = {way: _right(found[tried], wanted) for way, found in scores.items()}
    way = max(WAYS, key=shares.__getitem__)
    learner, everything = plain, np.zeros(len(rows), bool)
    if way == "contrast":
        learner = _contrast(examples, rows, everything, how, setting, FOLDS)
        vectors = learner.vectors(rows)
    learner.write(setting.ctx.work / WEIGHTS)
    told = {"way": way, "tried": {name: round(share, 4) for name, share in shares.items()}}
    return Learnt(_fitted(vectors, examples), scores[way][tried], wanted, told)


WAYS = ("frozen", "contrast")
"""Where both are as good, the first is taken."""


def _contrasted(
    examples: Examples, rows: Rows, unseen: Mask, how: Few, setting: Setting, fold: int
) -> Floats:
    """Return what the texts of a fold score after a contrast of the others; it is kept."""
    from safetensors.numpy import load_file

    kept = setting.ctx.work / SCORES[fold]
    if not kept.is_file():
        import torch

        learner = _contrast(examples, rows, unseen, how, setting, fold)
        found = _scores(learner.vectors(rows), examples, unseen)
        encoder.write(kept, {"scores": torch.from_numpy(found)}, {})
    (setting.ctx.work / CHECKPOINTS[fold]).unlink(missing_ok=True)
    scores: Floats = load_file(kept)["scores"]
    return scores


def _contrast(
    examples: Examples, rows: Rows, unseen: Mask, how: Few, setting: Setting, fold: int
) -> ClassLearner:
    """Return an encoder that has contrasted all texts but the unseen, going on where it stood."""
    known = np.flatnonzero(~unseen)
    learner = ClassLearner(setting.base, classes=len(examples.classes), tokens=setting.tokens)
    steps = min(max(SEEN * len(known) // BATCH, FEWEST), MOST)
    plan = contrasts(examples.labels[known], BATCH, steps, Random(setting.ctx.seed))
    checkpoint = setting.ctx.work / CHECKPOINTS[fold]
    told = learner.resume(checkpoint) if checkpoint.is_file() else {"losses": []}
    losses = told["losses"]
    for number in range(len(losses), steps):
        batch = known[plan[number]]
        rate = how.rate * encoder.slope(number + 1, steps)
        of, labels = [rows[row] for row in batch], examples.labels[batch]
        losses.append(learner.contrast(of, labels, rate=rate, temperature=how.temperature))
        setting.ctx.progress(number + 1, steps, "steps")
        if (number + 1) % KEEP_EVERY == 0:
            learner.keep(checkpoint, told)
    return learner


def _scores(vectors: Floats, examples: Examples, unseen: Mask) -> Floats:
    """Return what unseen texts score with logistic regression on the others."""
    weights = _fitted(vectors[~unseen], examples.part(np.flatnonzero(~unseen)))
    found: Floats = vectors[unseen] @ weights[:-1] + weights[-1]
    return found


def _fitted(vectors: Floats, examples: Examples) -> Floats:
    # By number, in digits that sort as numbers do: the classes come back in that order.
    return fit(vectors, [f"{label:08}" for label in examples.labels]).weights


def _right(scores: Floats, wanted: npt.NDArray[np.int64]) -> float:
    return float((scores.argmax(1) == wanted).mean())
