"""Judges of toxicity that learn from labelled texts: the linear one, and classifiers over MiniLM.

What they are measured on is said in `bench.guard`.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.harness.artifacts import opened
from bench.harness.embedder import built_embedder, pulled_embedder
from bench.harness.peer import PEERS
from inhouse.catalog.rows import write_rows
from inhouse.core.access import Actor
from inhouse.core.protocols import Classifier
from inhouse.core.stage import Context
from inhouse.guard import toxicity
from inhouse.models import build, classifier
from inhouse.models.load import load_classifier, load_embedder
from inhouse.train import classify

TOXIC = ("hate", "offensive")
KEPT = PEERS / "toxicity"
EPOCHS = 1
"""So often it learns from each tweet: twelve minutes of a core."""

Pairs = Sequence[tuple[str, str]]
Scores = npt.NDArray[np.float32]
Judge = Callable[[Sequence[str]], Scores]
"""Says of each text how likely it would be called toxic."""


def linear(known: Pairs) -> Judge:
    """Return the linear model of words and parts of words."""
    model = toxicity.train([text for text, _ in known], [label in TOXIC for _, label in known])
    return model.score


def frozen(known: Pairs) -> Judge:
    """Return logistic regression on the vectors of MiniLM as it is, which are kept."""
    embed = load_embedder(built_embedder(), threads=1).embed
    kept = KEPT / "vectors.npy"
    if not kept.is_file():
        KEPT.mkdir(parents=True, exist_ok=True)
        np.save(kept, embed([text for text, _ in known]))
    return scored(classifier.train(np.load(kept), [label for _, label in known], embed))


def tuned(known: Pairs) -> Judge:
    """Return what ``method: classify`` makes of MiniLM; it is trained once, and kept."""
    built = KEPT / "built"
    if not (built / "done").is_file():
        started, cpu = time.perf_counter(), time.process_time()
        _train(known, built)
        took = f"{time.perf_counter() - started:.0f} s, {time.process_time() - cpu:.0f} CPU s"
        (built / "done").write_text(took, "utf-8")
        print(f"toxicity: trained in {took}", file=sys.stderr)
    return scored(load_classifier(built, name="toxicity", threads=1))


def scored(model: Classifier) -> Judge:
    """Return how likely a text is of one of the toxic classes, by a classifier."""
    places = [place for place, name in enumerate(model.classes) if name in TOXIC]

    def judge(texts: Sequence[str]) -> Scores:
        likely: Scores = model.classify(texts)[:, places].sum(1)
        return likely

    return judge


def _train(known: Pairs, built: Path) -> None:
    given, work = KEPT / "examples", KEPT / "work"
    shutil.rmtree(built, ignore_errors=True)
    for each in (given, work, built):
        each.mkdir(parents=True, exist_ok=True)
    rows = ({"id": str(n), "text": text, "label": label} for n, (text, label) in enumerate(known))
    write_rows(given, "examples", rows)
    inputs = {
        "base": opened(pulled_embedder(), "models/minilm", {"kind": "embedder"}),
        "examples": opened(given, "data/labelled"),
    }
    told = classify.run(classify.Classify(epochs=EPOCHS), inputs, Context(work, Actor("bench")))
    print(f"toxicity: {dict(told.summary)}", file=sys.stderr)
    weights = {"weights": opened(work, "models/toxicity")}
    build.run(build.Build("classifier"), weights, Context(built, Actor("bench")))
