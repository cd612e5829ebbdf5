"""Searches a large table with LanceDB for a reader of some sources, as it comes.

The arguments are a folder, the names of the readable sources with commas between them, and a
percentile. The folder has ``passages.json``, source, number of the section and text of each,
``questions.json``, and the vectors of both in ``passages.npy`` and ``questions.npy``. The table is
made by the first who asks. Each line read asks every question; what a round measures is the
percentile of the CPU seconds of one search.
"""

import json
import sys
import time
from pathlib import Path

import lancedb
import numpy as np
from lancedb.index import FTS, IvfHnswSq
from lancedb.rerankers import RRFReranker

TOP, PASSAGES = 10, 40


def main() -> None:
    """Open the table, then search for each line read."""
    folder, readable, percentile = Path(sys.argv[1]), sys.argv[2].split(","), float(sys.argv[3])
    if not (folder / "lance-peer").is_dir():
        fill(folder)
    table = lancedb.connect(folder / "lance-peer").open_table("passages")
    sources = ", ".join(f"'{name}'" for name in readable)
    asked = list(
        zip(
            json.loads((folder / "questions.json").read_text(encoding="utf-8")),
            np.load(folder / "questions.npy", allow_pickle=False),
            strict=True,
        )
    )
    joined = RRFReranker()

    def search(text: str, vector: np.ndarray) -> list[int]:
        query = table.search(query_type="hybrid").vector(vector).text(text)
        query = query.where(f"source IN ({sources})", prefilter=True)
        found = query.rerank(joined).limit(PASSAGES).to_list()
        return list(dict.fromkeys(row["section"] for row in found))[:TOP]

    for _ in sys.stdin:
        seconds = []
        for question in asked:
            started = time.process_time()
            search(*question)
            seconds.append(time.process_time() - started)
        print(np.percentile(seconds, percentile), flush=True)


def fill(folder: Path) -> None:
    """Make the table with its two indexes."""
    passages = json.loads((folder / "passages.json").read_text(encoding="utf-8"))
    vectors = np.load(folder / "passages.npy", allow_pickle=False)
    rows = [
        {"source": source, "section": section, "text": text, "vector": vector}
        for (source, section, text), vector in zip(passages, vectors, strict=True)
    ]
    table = lancedb.connect(folder / "lance-peer").create_table("passages", rows)
    table.create_index("text", config=FTS())
    table.create_index("vector", config=IvfHnswSq(distance_type="cosine"))


if __name__ == "__main__":
    main()
