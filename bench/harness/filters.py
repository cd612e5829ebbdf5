"""Our verdicts with the thresholds of datatrove's filters, one filter at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from inhouse.data.buffers import buffers
from inhouse.data.kernels.quality import KEPT, RULES, judged
from inhouse.data.presets import limits

# Filter -> its first and last rule; whether lines are rewritten, and with the rules that change
# much.
FILTERS = {
    "repetition": ("most_repeated_paragraphs", "most_repeated_10_grams", False, False),
    "gopher": ("fewest_words", "fewest_stop_words", False, False),
    "fineweb": ("fewest_ended_lines", "most_line_breaks", False, False),
    "c4": ("lorem_ipsum", "fewest_sentences", True, True),
    "c4-lenient": ("lorem_ipsum", "fewest_sentences", True, False),
}


def compared(file: Path, theirs: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    """Yield each filter, and the share of documents with the same verdict, in per cent."""
    column = pq.read_table(file, columns=["text"]).column("text").cast(pa.string())
    data, offsets = buffers(pa.concat_arrays(column.chunks))
    web = {**limits("web"), "fewest_sentences": 5}
    for name, (first, last, rewrites, strict) in FILTERS.items():
        asked = RULES[RULES.index(first) : RULES.index(last) + 1]
        found = [web.get(rule) if rule in asked else None for rule in RULES]
        wanted = np.array([np.nan if limit is None else limit for limit in found])
        switches = np.array([rewrites, strict, strict, strict])
        broken = judged(data, offsets, wanted, switches)[0]
        same = (broken == KEPT) == np.array([row[name] is None for row in theirs])
        yield name, 100 * float(same.mean())
