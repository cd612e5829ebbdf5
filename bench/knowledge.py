"""The knowledge base: how well it finds, how fast it answers and how fast it is filled.

What is equal and what is not:

- The test sets are in the folder that INHOUSE_DATA names: two handbooks, asked by their own
  headings that end in a question mark (taken out of the section that stands under them), and
  passages of Wikipedia, asked by people. Rows under one title are one document.
- The peer gets our passages and our vectors of them and of the questions, and searches as it
  comes: vectors and full text, joined by reciprocal ranks. A section stands where its best passage
  does. So the figures compare the searches, not the embedders.
- Searching leaves the embedding of the question out on both sides. Ours decides nothing about
  access here: all is readable. Its index and the peer's lie on the same disk.
- The range of a figure about finding is the 95 % bootstrap interval over the questions.
- Sections a second is the whole stage: cutting, embedding, writing.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench import embedding
from bench.harness.embedder import built_embedder
from bench.harness.measure import Figure, Goal, Measure, Round, Row, Samples, interleave
from bench.harness.peer import PEERS, Peer, worker
from bench.harness.sections import TestSet, read_set
from inhouse.catalog.rows import write_documents
from inhouse.core.access import Actor
from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.label import Label
from inhouse.core.nouns import Hit
from inhouse.core.stage import Context
from inhouse.evaluate.bootstrap import interval
from inhouse.evaluate.ranking import hit, ndcg, recall, reciprocal_rank
from inhouse.knowledge.index import Index, build
from inhouse.knowledge.schema import VECTOR, open_index
from inhouse.knowledge.search import KnowledgeBase
from inhouse.knowledge.tokens import Vectors
from inhouse.models.load import load_embedder

LANCE = Peer("lancedb", (("lancedb==0.40.0",),))
TIMED, ROUNDS = 100, 5

Score = Callable[[Sequence[str], Collection[str], int], float]


@dataclass(frozen=True, slots=True)
class Aim:
    """What is wanted of the ranking of a test set."""

    name: str
    score: Score
    depth: int
    least: float


HANDBOOK = (Aim("hit@5", hit, 5, 0.76), Aim("MRR@10", reciprocal_rank, 10, 0.57))
AIMS = {
    "handbook-18f": HANDBOOK,
    "handbook-sourcegraph": HANDBOOK,
    "mtrag-clapnq": (Aim("R@5", recall, 5, 0.8), Aim("nDCG@10", ndcg, 10, 0.72)),
}


class Remembering:
    """An embedder that embeds each question once."""

    def __init__(self, folder: Path) -> None:
        self._embedder = load_embedder(folder)
        self._known: dict[str, tuple[Vectors, list[Vectors]]] = {}

    @property
    def width(self) -> int:
        return self._embedder.width

    def embed(self, texts: Sequence[str]) -> Vectors:
        return self._embedder.embed(texts)

    def embed_tokens(
        self, texts: Sequence[str], *, starts: Sequence[int]
    ) -> tuple[Vectors, list[Vectors]]:
        if len(texts) > 1:
            return self._embedder.embed_tokens(texts, starts=starts)
        if texts[0] not in self._known:
            self._known[texts[0]] = self._embedder.embed_tokens(texts, starts=starts)
        return self._known[texts[0]]

    def pieces(self, text: str) -> list[str]:
        return self._embedder.pieces(text)

    def tokens(self, texts: Sequence[str]) -> int:
        return self._embedder.tokens(texts)


def run() -> Iterator[Row]:
    """Measure each test set; none if they are not there."""
    data = Path(os.environ.get("INHOUSE_DATA", ""))
    if not all((data / name).is_dir() for name in AIMS):
        print("INHOUSE_DATA names no folder with the test sets: nothing measured.", file=sys.stderr)
        return
    PEERS.mkdir(exist_ok=True)
    embedder = Remembering(built_embedder())
    for name, aims in AIMS.items():
        with tempfile.TemporaryDirectory(dir=PEERS, prefix="knowledge-") as folder:
            yield from measure(name, aims, read_set(data / name), embedder, Path(folder))
    yield from embedding.run()


def measure(
    name: str, aims: Sequence[Aim], asked: TestSet, embedder: Remembering, folder: Path
) -> Iterator[Row]:
    """Index a test set, then rank and time its questions on both sides."""
    speed = index(asked, embedder, folder)
    base = KnowledgeBase(folder, embedder)
    try:
        hand_over(asked, embedder, folder)
        with worker(LANCE, "lance_search", str(folder)) as peer:
            timed = interleave(searching(base, asked), peer, rounds=ROUNDS, scale=1e3)
        theirs = peers_ranks(asked, folder) if peer else None
        ours = [[asked.id_of(h.section) for h in look(base, q.text)] for q in asked.questions]
    finally:
        base.close()
    for aim in aims:
        yield quality(name, aim, asked, ours, theirs)
    wanted = Measure(f"{name}: a search, p95", "ms", Goal("ours", 60))
    yield Row.of(wanted, timed, LANCE.title)
    wanted = Measure(f"{name}: sections indexed", "sections/s", more=True)
    yield Row.of(wanted, Samples([speed], None))


def index(asked: TestSet, embedder: Remembering, folder: Path) -> float:
    """Index the documents; return sections a second."""
    (folder / "documents").mkdir()
    write_documents(folder / "documents", asked.documents)
    source = Input(artifact("data/set"), folder / "documents")
    started = time.perf_counter()
    made = build(Index(), [source], Context(folder, Actor("bench")), embedder, identity="minilm")
    return int(made.summary["sections"]) / (time.perf_counter() - started)


def artifact(ref: str) -> Artifact:
    """Return a stand-in for what the catalog would hand over."""
    return Artifact(
        ref=Ref.parse(ref), recipe="bench", code=1, params={}, parents=(), digest="", files={},
        label=Label.OPEN, created=datetime.now(UTC), actor="bench", seconds=0.0, summary={},
    )  # fmt: skip


def look(base: KnowledgeBase, question: str) -> Sequence[Hit]:
    """Return the ten best sections."""
    return base.search(question, readable=base.sources, top=10)


def searching(base: KnowledgeBase, asked: TestSet) -> Round:
    """Return a round that measures the 95th percentile of the seconds of a search."""
    for question in asked.questions[:TIMED]:
        look(base, question.text)

    def search() -> float:
        seconds = []
        for question in asked.questions[:TIMED]:
            started = time.perf_counter()
            look(base, question.text)
            seconds.append(time.perf_counter() - started)
        return float(np.percentile(seconds, 95))

    return search


def hand_over(asked: TestSet, embedder: Remembering, folder: Path) -> None:
    """Write what the peer needs: passages, questions, and our vectors of both."""
    rows = open_index(folder).execute(
        "SELECT sec.number, sec.headings, substr(sec.text, pas.start + 1, pas.stop - pas.start), "
        "pas.vector FROM passages pas JOIN sections sec ON sec.number = pas.section "
        "ORDER BY pas.number"
    )
    passages, vectors = [], []
    for section, headings, text, vector in rows:
        passages.append((section, " > ".join(json.loads(headings)) + "\n" + text))
        vectors.append(np.frombuffer(vector, VECTOR))
    questions = [question.text for question in asked.questions]
    found = [embedder.embed_tokens([text], starts=[0])[0][0] for text in questions]
    (folder / "passages.json").write_text(json.dumps(passages), encoding="utf-8")
    (folder / "questions.json").write_text(json.dumps(questions), encoding="utf-8")
    np.save(folder / "passages.npy", np.array(vectors, np.float32))
    np.save(folder / "questions.npy", np.array(found, np.float32))


def peers_ranks(asked: TestSet, folder: Path) -> list[list[str]]:
    """Return the ids of the sections that the peer found for each question."""
    names = [name for document in asked.documents for name in asked.ids[document.path]]
    ranked = json.loads((folder / "ranked.json").read_text(encoding="utf-8"))
    return [[names[number] for number in found] for found in ranked]


def quality(
    name: str,
    aim: Aim,
    asked: TestSet,
    ours: Sequence[Sequence[str]],
    theirs: Sequence[Sequence[str]] | None,
) -> Row:
    """Return the row of a measure of the rankings."""

    def figure(ranked: Sequence[Sequence[str]]) -> Figure:
        pairs = zip(ranked, asked.questions, strict=True)
        found = interval([aim.score(ids, q.relevant, aim.depth) for ids, q in pairs])
        return Figure(found.mean, found.low, found.high)

    mine, other = figure(ours), figure(theirs) if theirs else None
    return Row(
        name=f"{name}: {aim.name}",
        unit="",
        ours=mine,
        peer_name=LANCE.title,
        peer=other,
        ratio=Figure.of([mine.value / other.value]) if other else None,
        target=f"≥ {aim.least:g}",
        ok=mine.value >= aim.least if other else None,
    )
