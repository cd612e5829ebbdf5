"""Vectors of large indexes: a Lance table for each source, with a graph over it if it is large.

The tables lie beside the index file, which holds all else, and like it never change once made.
Lance searches by words too, but counts them over all sources, so it is not asked to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from inhouse.core.errors import MissingExtra
from inhouse.knowledge.layout import Layout, Numbers, Source
from inhouse.knowledge.schema import IndexFile
from inhouse.knowledge.vectors import Vectors, read_vectors

FOLDER = "lance"
BATCH = 4096
EXACT_UP_TO = 10_000


def require_lance() -> None:
    """Make sure that Lance is there, without loading it.

    Raises:
        MissingExtra: it is not installed.
    """
    if find_spec("lancedb") is None:
        raise MissingExtra("A knowledge base with `store: lance`", "lance")


def write_tables(folder: Path, width: int) -> None:
    """Write the vectors of the index in `folder` into tables beside it.

    Sources of more than 10,000 passages get a graph over them (HNSW: Malkov and Yashunin,
    arXiv 1603.09320). No graph spans two sources: it would lead a reader by way of what they may
    not read.
    """
    import lancedb
    import pyarrow
    from lancedb.index import IvfHnswSq

    database = lancedb.connect(folder / FOLDER)
    vector = pyarrow.list_(pyarrow.float16(), width)
    schema = pyarrow.schema([("passage", pyarrow.int64()), ("vector", vector)])

    def batches(passages: slice) -> Iterator[pyarrow.RecordBatch]:
        for start in range(passages.start, passages.stop, BATCH):
            numbers = np.arange(start, min(start + BATCH, passages.stop))
            flat = pyarrow.array(read_vectors(index, numbers).reshape(-1))
            vectors = pyarrow.FixedSizeListArray.from_arrays(flat, width)
            yield pyarrow.record_batch([pyarrow.array(numbers), vectors], schema=schema)

    with closing(IndexFile(folder)) as index:
        for source in Layout(index).filled():
            table = database.create_table(_name(source), batches(source.passages), schema=schema)
            if table.count_rows() > EXACT_UP_TO:
                table.create_index("vector", config=IvfHnswSq(distance_type="dot"))


class LanceTables:
    """Vectors that stay on disk: near ones are found by Lance, in one table for each source."""

    def __init__(self, folder: Path, index: IndexFile, layout: Layout) -> None:
        """Open the tables beside the index in `folder`.

        Raises:
            MissingExtra: Lance is not installed.
        """
        require_lance()
        import lancedb

        database = lancedb.connect(folder / FOLDER)
        sources = layout.filled()
        self._tables = {s.number: database.open_table(_name(s)) for s in sources}
        self._index = index

    def nearest(self, source: Source, vector: Vectors, most: int) -> tuple[Numbers, Vectors]:
        """Return the `most` passages of a source nearest to a unit vector, and their cosines.

        Of large sources a few of them may be missing, and the cosines are rough.
        """
        near = self._tables[source.number].search(vector).distance_type("dot")
        # Lance prints a warning when the distance is left out. Its distance is 1 - cosine.
        found = near.select(["passage", "_distance"]).limit(most).to_arrow().sort_by("passage")
        distances = np.asarray(found["_distance"], np.float32)
        return np.asarray(found["passage"], np.intp), 1 - distances

    def vectors(self, passages: Numbers) -> Vectors:
        """Return the vectors of passages, float32 of shape [passages, width]."""
        numbers, places = np.unique(passages, return_inverse=True)
        vectors: Vectors = read_vectors(self._index, numbers).astype(np.float32)[places]
        return vectors


def _name(source: Source) -> str:
    return f"source-{source.number}"
