"""Searches with LanceDB: vectors and full text, joined by reciprocal ranks, as it comes.

The argument is a folder with ``passages.json``, the number of a section and the text of each,
``questions.json``, and the vectors of both in ``passages.npy`` and ``questions.npy``. The first
line read writes the ten best sections of every question to ``ranked.json``; each line asks the
first hundred again, and the CPU seconds of a round are the 95th percentile of one search.
"""

import json
import sys
import time
from pathlib import Path

import lancedb
import numpy as np
from lancedb.index import FTS
from lancedb.rerankers import RRFReranker

TIMED = 100
TOP, PASSAGES = 10, 40


def main() -> None:
    """Index the passages, then search for each line read."""
    folder = Path(sys.argv[1])
    passages = json.loads((folder / "passages.json").read_text(encoding="utf-8"))
    vectors = np.load(folder / "passages.npy", allow_pickle=False)
    rows = [
        {"section": section, "text": text, "vector": vector}
        for (section, text), vector in zip(passages, vectors, strict=True)
    ]
    table = lancedb.connect(folder / "lance").create_table("passages", rows)
    table.create_index("text", config=FTS())
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
        found = query.rerank(joined).limit(PASSAGES).to_list()
        return list(dict.fromkeys(row["section"] for row in found))[:TOP]

    for number, _ in enumerate(sys.stdin):
        if not number:
            ranked = [search(*question) for question in asked]
            (folder / "ranked.json").write_text(json.dumps(ranked), encoding="utf-8")
        seconds = []
        for question in asked[:TIMED]:
            started = time.process_time()
            search(*question)
            seconds.append(time.process_time() - started)
        print(np.percentile(seconds, 95), flush=True)


if __name__ == "__main__":
    main()
