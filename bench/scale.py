"""A knowledge base of 100,000 sections: what a search costs, who may read all of it or a part.

What is equal and what is not:

- The sections are recombined of the two handbooks in the folder that INHOUSE_DATA names, their
  vectors mixed likewise (see `bench.harness.recombined`): so this measures work, not finding.
  The questions are the handbooks' own headings.
- Five sources with labels of their own; a reader may read all, 28 % or 1 % of the sections. Ours
  decides about each source in every search; the peer is told a filter that it applies first.
- The peer gets the same passages and vectors, in one table with a graph over the vectors
  (IVF_HNSW_SQ) and a full-text index, and searches by both, joined by reciprocal ranks, as it
  comes. It counts words over all sources, and its graph spans them; ours do not.
- A search is CPU time of the whole process, all threads, without embedding the question. A figure
  is a percentile over the questions, its range the quartiles of the rounds.
- Memory is what the process takes more once the knowledge base is open and has been searched.
- The rows of Lance are there if the extra [lance] is installed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bench.harness.embedder import built_embedder
from bench.harness.measure import Goal, Measure, Round, Row, Samples, interleave
from bench.harness.peer import PEERS, worker
from bench.harness.recombined import Passage, Recombined, real_passages
from bench.harness.sections import read_set
from bench.knowledge import LANCE, Remembering, artifact, index
from inhouse.catalog.rows import write_documents
from inhouse.core.access import Actor, Decision
from inhouse.core.artifact import Input, Ref
from inhouse.core.label import Label
from inhouse.core.stage import Context
from inhouse.knowledge.index import Index, build
from inhouse.knowledge.lance import write_tables
from inhouse.knowledge.schema import FILE, FORMAT, VECTOR, index_format, open_index
from inhouse.knowledge.search import GuardedSearch, KnowledgeBase

SETS = ("handbook-18f", "handbook-sourcegraph")
SOURCES = {"everyone": 1_000, "office": 9_000, "staff": 18_000, "leads": 30_000, "board": 42_000}
READERS = {"all": list(SOURCES), "28 %": ["everyone", "office", "staff"], "1 %": ["everyone"]}
TIMED, ROUNDS = 50, 5
MEBIBYTE = 2**20


def run() -> Iterator[Row]:
    """Measure both stores; nothing if the handbooks are not there."""
    data = Path(os.environ.get("INHOUSE_DATA", ""))
    if not all((data / name).is_dir() for name in SETS):
        print("INHOUSE_DATA names no folder with the handbooks: nothing measured.", file=sys.stderr)
        return
    PEERS.mkdir(exist_ok=True)
    embedder = Remembering(built_embedder())
    asked = [q.text for name in SETS for q in read_set(data / name).questions]
    questions = asked[:: len(asked) // TIMED][:TIMED]
    with tempfile.TemporaryDirectory(dir=PEERS, prefix="scale-") as name:
        folder = Path(name)
        make(folder, Recombined(passages(data, embedder)))
        hand_over(folder, questions, embedder)
        yield from measure(folder, questions, embedder)


def passages(data: Path, embedder: Remembering) -> list[Passage]:
    """Return the passages of both handbooks; their index is kept, since it takes minutes."""
    found = []
    for name in SETS:
        kept = PEERS / "scale" / name
        if not (kept / FILE).exists() or index_format(open_index(kept)) != FORMAT:
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True)
            index(read_set(data / name), embedder, kept)
        found += real_passages(kept)
    return found


def make(folder: Path, recombined: Recombined) -> None:
    """Index 100,000 sections under ``sqlite``, and share the file with ``lance``."""
    inputs = []
    for name, sections in SOURCES.items():
        (folder / name).mkdir()
        write_documents(folder / name, recombined.documents(sections))
        inputs.append(Input(artifact(f"data/{name}"), folder / name))
    work = folder / "sqlite"
    work.mkdir()
    build(Index(), inputs, Context(work, Actor("bench")), recombined, identity="recombined")
    if find_spec("lancedb"):
        (folder / "lance").mkdir()
        os.link(work / FILE, folder / "lance" / FILE)
        write_tables(folder / "lance", recombined.width)


def measure(folder: Path, questions: Sequence[str], embedder: Remembering) -> Iterator[Row]:
    """Measure each store beside the peer."""
    for store in ("sqlite", "lance"):
        if (folder / store).is_dir():
            yield from stored(folder, store, questions, embedder)
    if (folder / "lance-peer").is_dir():
        yield plain(f"{LANCE.title}: on disk", "MiB", size(folder / "lance-peer") / MEBIBYTE)


def stored(
    folder: Path, store: str, questions: Sequence[str], embedder: Remembering
) -> Iterator[Row]:
    """Measure what a store takes and, by reader, its searches."""
    before = resident()
    base = KnowledgeBase(folder / store, embedder)
    try:
        search(base, questions[0], READERS["all"])
        yield plain(f"{store}: memory", "MiB", (resident() - before) / MEBIBYTE)
        yield plain(f"{store}: on disk", "MiB", size(folder / store) / MEBIBYTE)
        for reader in READERS:
            yield from searched(folder, store, base, questions, reader)
    finally:
        base.close()


def searched(
    folder: Path, store: str, base: KnowledgeBase, questions: Sequence[str], reader: str
) -> Iterator[Row]:
    """Measure the searches of a reader, in the middle and at the end."""
    for percentile, goal in ((50, None), (95, Goal("ours", 60) if store == "sqlite" else None)):
        words = (str(folder), ",".join(READERS[reader]), str(percentile))
        with worker(LANCE, "lance_scale", *words) as peer:
            ours = searching(base, questions, READERS[reader], percentile)
            timed = interleave(ours, peer, rounds=ROUNDS, scale=1e3)
        wanted = Measure(f"{store}: a search, {reader} readable, p{percentile}", "CPU ms", goal)
        yield Row.of(wanted, timed, LANCE.title)


def searching(
    base: KnowledgeBase, questions: Sequence[str], readable: Sequence[str], percentile: int
) -> Round:
    """Return a round that measures a percentile of the CPU seconds of a search."""

    def measured() -> float:
        seconds = []
        for question in questions:
            started = time.process_time()
            search(base, question, readable)
            seconds.append(time.process_time() - started)
        return float(np.percentile(seconds, percentile))

    return measured


def search(base: KnowledgeBase, question: str, readable: Sequence[str]) -> None:
    """Search as an endpoint does, on behalf of somebody who may read some sources."""
    reader = Actor("reader", frozenset(readable))

    def decide(actor: Actor, path: str) -> Decision:
        label = Label.parse(path.removeprefix("data/"))
        missing = label.missing(actor.groups)
        return Decision(not missing.clauses, actor.name, "read", Ref.parse(path), label, missing)

    GuardedSearch(base, decide).search(question, reader, top=10)


def hand_over(folder: Path, questions: Sequence[str], embedder: Remembering) -> None:
    """Write what the peer needs: passages, questions, and the vectors of both."""
    rows = open_index(folder / "sqlite").execute(
        "SELECT src.name, sec.number, sec.headings, sec.text, pas.start, pas.stop, pas.vector "
        "FROM passages pas JOIN sections sec ON sec.number = pas.section "
        "JOIN documents doc ON doc.number = sec.document "
        "JOIN sources src ON src.number = doc.source ORDER BY pas.number"
    )
    found, vectors = [], []
    for source, section, headings, text, start, stop, vector in rows:
        words = " > ".join(json.loads(headings)) + "\n" + text[start:stop]
        found.append((source, section, words))
        vectors.append(np.frombuffer(vector, VECTOR))
    asked = [embedder.embed_tokens([text], starts=[0])[0][0] for text in questions]
    (folder / "passages.json").write_text(json.dumps(found), encoding="utf-8")
    (folder / "questions.json").write_text(json.dumps(list(questions)), encoding="utf-8")
    np.save(folder / "passages.npy", np.array(vectors, np.float32))
    np.save(folder / "questions.npy", np.array(asked, np.float32))


def plain(name: str, unit: str, value: float) -> Row:
    """Return a row of one figure."""
    return Row.of(Measure(name, unit), Samples([value], None))


def size(folder: Path) -> int:
    """Return the bytes of what belongs to an index, or to the peer's tables."""
    files = [folder / FILE, *folder.rglob("*.lance/**/*")]
    return sum(file.stat().st_size for file in files if file.is_file())


def resident() -> int:
    """Return the bytes of memory that this process takes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
