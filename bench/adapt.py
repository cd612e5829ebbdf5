"""Adapting the embedder: how well a search finds before and after, at home and elsewhere.

What is equal and what is not:

- The test sets are those of the bench `knowledge`. The embedder is adapted to the documents of a
  handbook, from which the headings that are its questions were taken out, and asked these
  questions: hit@5 and MRR@10. 11 of the 140 and 9 of the 568 stand as a heading elsewhere too.
- Adapted to a handbook it also searches the other sets, which it never saw. There it should be
  about as good as before.
- The peer is the same embedder as it comes. All else is the same: index, search, questions.
- The range of a figure is the 95 % bootstrap interval over the questions.

It trains twice and indexes eight times, and takes about an hour on four cores.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.harness.embedder import built_embedder
from bench.harness.measure import Figure, Row
from bench.harness.peer import PEERS
from bench.harness.sections import TestSet, read_set
from bench.knowledge import AIMS, Aim, Remembering, artifact, index, look
from inhouse.catalog import Catalog
from inhouse.catalog.rows import write_documents
from inhouse.core.access import Actor
from inhouse.core.artifact import Input, Ref
from inhouse.core.stage import Context
from inhouse.evaluate.bootstrap import interval
from inhouse.knowledge.index import sections_of
from inhouse.knowledge.search import KnowledgeBase
from inhouse.models import build
from inhouse.train import embed

HOMES = ("handbook-18f", "handbook-sourcegraph")
PEER = "as it comes"


def run() -> Iterator[Row]:
    """Measure each test set with each embedder; none if they are not there."""
    data = Path(os.environ.get("INHOUSE_DATA", ""))
    if not all((data / name).is_dir() for name in AIMS):
        print("INHOUSE_DATA names no folder with the test sets: nothing measured.", file=sys.stderr)
        return
    PEERS.mkdir(exist_ok=True)
    built = built_embedder()
    sets = {name: read_set(data / name) for name in AIMS}
    before = {name: ranks(asked, built) for name, asked in sets.items()}
    for home in HOMES:
        with tempfile.TemporaryDirectory(dir=PEERS, prefix="adapt-") as folder:
            steps, seconds = adapt(sets[home], Path(folder))
            yield plain(f"{home}: steps to adapt", "steps", steps)
            yield plain(f"{home}: time to adapt", "s", seconds)
            for name, asked in sets.items():
                after = ranks(asked, Path(folder, "built"))
                for aim in AIMS[name]:
                    yield quality(home, name, aim, [before[name], after], asked)


def adapt(home: TestSet, folder: Path) -> tuple[float, float]:
    """Adapt the embedder to the documents of a set and build it; return steps and seconds."""
    for name in ("documents", "adapted", "built"):
        (folder / name).mkdir()
    write_documents(folder / "documents", home.documents)
    catalog = Catalog(PEERS / "minilm" / ".inhouse")
    try:
        inputs = {
            embed.BASE: catalog.load(Ref.parse("models/minilm")),
            "data/set": Input(artifact("data/set"), folder / "documents"),
        }
        context = Context(folder / "adapted", Actor("bench"))
        started = time.perf_counter()
        told = embed.stage(sections_of).run(embed.Embed(), inputs, context).summary
        seconds = time.perf_counter() - started
    finally:
        catalog.close()
    weights = Input(artifact("models/adapted"), folder / "adapted")
    context = Context(folder / "built", Actor("bench"))
    build.run(build.Build("embedder"), {"weights": weights}, context)
    return float(told["steps"]), seconds


def ranks(asked: TestSet, built: Path) -> list[list[str]]:
    """Return the ids of the sections that a search finds for each question."""
    embedder = Remembering(built)
    with tempfile.TemporaryDirectory(dir=PEERS, prefix="adapt-") as folder:
        index(asked, embedder, Path(folder))
        base = KnowledgeBase(Path(folder), embedder)
        try:
            return [[asked.id_of(h.section) for h in look(base, q.text)] for q in asked.questions]
        finally:
            base.close()


def plain(name: str, unit: str, value: float) -> Row:
    """Return the row of a figure without a peer."""
    return Row(
        name=name, unit=unit, ours=Figure.of([value]), peer_name=None, peer=None, ratio=None,
        target=None, ok=None,
    )  # fmt: skip


def quality(
    home: str, name: str, aim: Aim, rankings: Sequence[Sequence[Sequence[str]]], asked: TestSet
) -> Row:
    """Return the row of a measure, before and after the embedder was adapted to `home`."""
    figures = []
    for ranked in rankings:
        pairs = zip(ranked, asked.questions, strict=True)
        found = interval([aim.score(ids, q.relevant, aim.depth) for ids, q in pairs])
        figures.append(Figure(found.mean, found.low, found.high))
    before, after = figures
    where = name if name == home else f"{name}, adapted to {home}"
    wanted = aim.least if name == home else before.value
    return Row(
        name=f"{where}: {aim.name}",
        unit="",
        ours=after,
        peer_name=PEER,
        peer=before,
        ratio=Figure.of([after.value / before.value]),
        target=f"≥ {wanted:.3g}",
        ok=after.value >= wanted,
    )
