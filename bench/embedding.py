"""Embedding: passages a second of one core, beside the library everybody uses.

What is equal and what is not:

- The same weights, the same passages of a handbook as an index cuts them, one thread each, batches
  of 32, texts cut where the model ends. CPU seconds, loading left out.
- The peer computes in float32 on torch. Ours computes in float32 as well, or in bfloat16 where the
  processor has it; the smallest cosine between the two says what that costs.
- Ours pads each text to a multiple of 16 tokens, so that a vector does not depend on what it was
  embedded with; the peer sorts by length and pads to the longest of a batch.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.harness.embedder import built_embedder, pulled_embedder
from bench.harness.measure import Figure, Goal, Measure, Row, interleave
from bench.harness.peer import PEERS, SENTENCE_TRANSFORMERS, worker
from bench.harness.sections import read_set
from inhouse.knowledge.index import sections_of
from inhouse.models.load import load_embedder

PASSAGES, ROUNDS, EVERY = 192, 5, 13


def run() -> Iterator[Row]:
    """Measure speed and likeness; nothing if the handbook is not there."""
    data = Path(os.environ.get("INHOUSE_DATA", ""), "handbook-18f")
    if not data.is_dir():
        print("INHOUSE_DATA names no folder with handbook-18f: nothing measured.", file=sys.stderr)
        return
    texts = passages(data)
    PEERS.mkdir(exist_ok=True)
    embedder = load_embedder(built_embedder(), threads=1)

    def ours() -> float:
        started = time.process_time()
        embedder.embed(texts)
        return len(texts) / (time.process_time() - started)

    with tempfile.TemporaryDirectory(prefix="embedding-") as name:
        (Path(name) / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        weights = str(pulled_embedder())
        with worker(SENTENCE_TRANSFORMERS, "st_embed", weights, name) as seconds:
            theirs = (lambda: len(texts) / seconds()) if seconds else None
            samples = interleave(ours, theirs, rounds=ROUNDS)
        wanted = Measure("passages embedded, one core", "1/CPU-s", Goal("ratio", 3), more=True)
        yield Row.of(wanted, samples, SENTENCE_TRANSFORMERS.title)
        if theirs:
            other = np.load(Path(name) / "theirs.npy")
            least = float(np.vecdot(embedder.embed(texts), other).min())
            yield likeness(least)


def likeness(least: float) -> Row:
    """Return the row of the smallest cosine."""
    return Row(
        name="smallest cosine to the peer's vectors",
        unit="",
        ours=Figure.of([least]),
        peer_name=None,
        peer=None,
        ratio=None,
        target="≥ 0.999",
        ok=least >= 0.999,
    )


def passages(folder: Path) -> list[str]:
    """Return passages from all over a handbook, under their headings, as an index embeds them."""
    found = [
        f"{' > '.join(headings)}\n{text}"
        for document in read_set(folder).documents
        for headings, texts in sections_of(document)
        for text in texts
    ]
    return found[::EVERY][:PASSAGES]
