"""Classifying: how good and how sure a classifier is that learnt from many examples, or from few.

What is equal and what is not:

- The texts are the questions of banking77, of 77 intents. Both learn from the same examples and
  answer the same test set, once. Few are ten of each intent, drawn by chance with a fixed seed.
- The peer is the same encoder behind sentence-transformers, as it is, with scikit-learn's logistic
  regression on its vectors, as its users do. It does not train the encoder, so it is ready in
  seconds where ours takes minutes.
- Ours is measured as it is served: built, with 16-bit weights, without torch.
- The other sets have another kind of text and other labels: whether tweets are toxic, of 800 of
  them, to see that nothing is tuned to banking.
"""

from __future__ import annotations

import csv
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.harness.artifacts import opened
from bench.harness.measure import Figure, Row
from inhouse.catalog.rows import write_rows
from inhouse.core.access import Actor
from inhouse.core.artifact import Input
from inhouse.core.stage import Context
from inhouse.models import build, pull
from inhouse.models.calibration import miscalibration
from inhouse.models.load import load_classifier
from inhouse.train import classify

MANY, FEW = 0.935, 0.85
SHOTS = 10
TWEETS = 800
PEER = "sentence-transformers + scikit-learn"

Pairs = Sequence[tuple[str, str]]


def run() -> Iterator[Row]:
    """Measure what is learnt from many examples and from few; nothing if the data are missing."""
    data = Path(os.environ.get("INHOUSE_DATA", ""))
    if not (data / "banking77").is_dir():
        print("INHOUSE_DATA names no folder with the set banking77: nothing measured.")
        return
    if not (find_spec("sentence_transformers") and find_spec("sklearn")):
        print("No sentence-transformers: there is no peer beside.", file=sys.stderr)
    known, asked = (questions(data / "banking77" / f"{part}.csv") for part in ("train", "test"))
    with tempfile.TemporaryDirectory() as folder:
        base = pulled(Path(folder, "base"))
        drawn = few(known, SHOTS)
        yield from learnt(Path(folder, "few"), base, f"{SHOTS} of each intent", drawn, asked, FEW)
        tweets = toxic(data / "toxicity" / "davidson.csv")
        if tweets:
            cut = TWEETS * 2
            yield from learnt(
                Path(folder, "tweets"), base, f"{TWEETS} tweets", tweets[:TWEETS],
                tweets[TWEETS:cut], None,
            )  # fmt: skip
        yield from learnt(Path(folder, "many"), base, "all of banking77", known, asked, MANY)


def learnt(
    folder: Path, base: Input, name: str, known: Pairs, asked: Pairs, least: float | None
) -> Iterator[Row]:
    """Learn from examples and return how well the test set is told, beside the peer."""
    started = time.perf_counter()
    made, told = trained(folder, base, known)
    seconds = time.perf_counter() - started
    model = load_classifier(made, name=name)
    texts, wanted = [text for text, _ in asked], np.array([label for _, label in asked])
    sure = model.classify(texts)
    right = np.array(model.classes)[sure.argmax(1)] == wanted
    theirs = peer(base.folder, known, texts)
    other = None if theirs is None else float((theirs == wanted).mean())
    print(f"{name}: {told}", file=sys.stderr)
    yield row(f"{name} ({told['way']}): accuracy", float(right.mean()), other, least)
    numbers = np.searchsorted(np.array(model.classes), wanted)
    off = miscalibration(sure, numbers)
    yield row(f"{name}: confidence is off by", off, None, None)
    answered = sure.max(1) >= model.below
    yield row(f"{name}: answered, not abstained", float(answered.mean()), None, None)
    yield row(f"{name}: right of those", float(right[answered].mean()), None, None)
    yield row(f"{name}: learnt in", seconds, None, None, unit="s")


def trained(folder: Path, base: Input, known: Pairs) -> tuple[Path, dict[str, Any]]:
    """Train on examples and build the result; return its folder and what the training said."""
    given, work, made = (folder / name for name in ("examples", "work", "built"))
    for each in (given, work, made):
        each.mkdir(parents=True)
    rows = ({"id": str(n), "text": text, "label": label} for n, (text, label) in enumerate(known))
    write_rows(given, "examples", rows)
    inputs = {"base": base, "examples": opened(given, "data/gold")}
    result = classify.run(classify.Classify(), inputs, Context(work, Actor("bench")))
    weights = {"weights": opened(work, "models/intents")}
    build.run(build.Build("classifier"), weights, Context(made, Actor("bench")))
    return made, dict(result.summary)


def pulled(folder: Path) -> Input:
    """Fetch the encoder that both start from."""
    folder.mkdir()
    found = pull.run(pull.Pull.named("minilm-l6"), {}, Context(folder, Actor("bench")))
    return opened(folder, "models/minilm", dict(found.summary))


def peer(base: Path, known: Pairs, texts: Sequence[str]) -> npt.NDArray[np.str_] | None:
    """Return what logistic regression on the encoder's vectors says; None if it is not there."""
    if not (find_spec("sentence_transformers") and find_spec("sklearn")):
        return None
    from sentence_transformers import SentenceTransformer
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    encoder = SentenceTransformer(str(base), device="cpu")
    vectors = encoder.encode([text for text, _ in known], show_progress_bar=False)
    head = LogisticRegression(C=10, max_iter=1_000).fit(vectors, [label for _, label in known])
    said: npt.NDArray[np.str_] = head.predict(encoder.encode(texts, show_progress_bar=False))
    return said


def questions(file: Path) -> Pairs:
    """Return questions with their intents."""
    with file.open(encoding="utf-8", newline="") as lines:
        return [(line["text"], line["category"]) for line in csv.DictReader(lines)]


def toxic(file: Path) -> Pairs:
    """Return tweets with whether they are toxic, in an order of chance."""
    if not file.is_file():
        return []
    with file.open(encoding="utf-8", newline="") as lines:
        found = [
            (line["tweet"], "toxic" if int(line["class"]) < 2 else "fine")
            for line in csv.DictReader(lines)
        ]
    random.Random(0).shuffle(found)
    return found


def few(pairs: Pairs, shots: int) -> Pairs:
    """Return so many examples of each label, by chance."""
    mixed = random.Random(0).sample(list(pairs), len(pairs))
    by_label: dict[str, list[tuple[str, str]]] = {}
    for pair in mixed:
        by_label.setdefault(pair[1], []).append(pair)
    return [pair for own in by_label.values() for pair in own[:shots]]


def row(name: str, ours: float, other: float | None, least: float | None, *, unit: str = "") -> Row:
    """Return the row of a figure, with what it should be at least."""
    return Row(
        name=name,
        unit=unit,
        ours=Figure.of([ours]),
        peer_name=None if other is None else PEER,
        peer=None if other is None else Figure.of([other]),
        ratio=Figure.of([ours / other]) if other else None,
        target=None if least is None else f"≥ {least:g}",
        ok=None if least is None else ours >= least,
    )
