"""Asks each of datatrove's quality filters about each document by itself, with its own thresholds.

``python datatrove_verdicts.py FILE``: a JSON line for each document, filter -> reason or null.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)

FILTERS: dict[str, Any] = {
    "repetition": GopherRepetitionFilter(),
    "gopher": GopherQualityFilter(),
    "fineweb": FineWebQualityFilter(),
    "c4": C4QualityFilter(),
    "c4-lenient": C4QualityFilter(
        filter_no_terminal_punct=False, filter_curly_bracket=False, filter_javascript=False
    ),
}


def main(file: str) -> None:
    """Print the verdicts on the documents of a Parquet file."""
    for row in pq.read_table(file, columns=["id", "text"]).to_pylist():
        verdicts: dict[str, str | None] = {"id": row["id"]}
        for name, judge in FILTERS.items():
            found = judge.filter(Document(text=row["text"], id=row["id"]))
            verdicts[name] = None if found is True else found[1]
        print(json.dumps(verdicts))


if __name__ == "__main__":
    main(sys.argv[1])
