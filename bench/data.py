"""Data: a corpus cleaned beside datatrove: the same files, rules, thresholds and kinds of copies.

What is equal and what is not:

- datatrove 0.10.1, in an environment of its own with spaCy, by its local executor on all cores.
- The job: Parquet in; Gopher's repetition and quality rules with datatrove's thresholds, but for
  the share of words with letters, which is 0.6 on both sides (in Markdown punctuation counts as
  words, and with 0.8 nine of ten documents are lost); C4's line rules without those for terminal
  punctuation, brackets and JavaScript; exact copies; near copies by MinHash, word 5-grams, 16
  bands of 8; Parquet out. CPU-seconds are those of the whole tree of processes, start-up included.
- datatrove drops what shares a band with a copy, however alike; with 16 bands of 8 that is a
  Jaccard similarity of about 0.5 and more. So ours asks for 0.5 here, and lets copies of copies go
  as it does. It compares each pair before one goes, keeps what went with its reason, and writes
  rows whose bytes do not depend on how often the run was cut off. Its kernels have been compiled
  before, as they are on any machine after the first run.
- A verdict is whether a document passes the quality rules. Copies are counted among the planted
  ones that have their original in the corpus, where both pass; near copies that went are audited
  by the Jaccard similarity of the sets of word 5-grams, counted anew in plain Python.
- FineWeb's rules, and all rules with datatrove's own thresholds one filter at a time, are compared
  on one file.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bench.harness.measure import Goal, Measure, Row, Samples
from bench.harness.peer import WORKERS, Peer, program
from bench.workers.inhouse_clean import SIMILARITY
from inhouse.catalog.rows import read_rows
from inhouse.data.account import DROPPED

DATATROVE = Peer("datatrove", (("datatrove[io,processing]==0.10.1", "spacy==3.8.18"),))
ALPHA = "0.6"
FILE = "003.parquet"
WORD = re.compile(r"\w+")
NUMBER = re.compile(r"\d+")


def run() -> Iterator[Row]:
    """Clean the corpus that INHOUSE_DATA names with both."""
    corpus = Path(os.environ.get("INHOUSE_DATA", "")) / "corpus"
    if not corpus.is_dir():
        print("INHOUSE_DATA names no folder with the corpus.", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory(prefix="bench-data-") as folder:
        yield from measured(corpus, Path(folder))
    yield from verdicts(corpus / FILE)


def measured(corpus: Path, folder: Path) -> Iterator[Row]:
    """Do the job with both, and compare what came out."""
    small = folder / "small"
    small.mkdir()
    first = min(corpus.glob("*.parquet"))
    pq.write_table(pq.read_table(first).slice(0, 20), small / first.name)
    ours = [sys.executable, "-m", "bench.workers.inhouse_clean"]
    spent(*ours, str(small), str(folder / "warm"), ALPHA)
    rows = [
        row for file in sorted(corpus.glob("*.parquet")) for row in pq.read_table(file).to_pylist()
    ]
    mine = spent(*ours, str(corpus), str(folder / "ours"), ALPHA)
    theirs = None
    if DATATROVE.ready():
        script = [str(program(DATATROVE.folder, "python")), str(WORKERS / "datatrove_clean.py")]
        workers = str(os.cpu_count() or 1)
        theirs = spent(*script, str(corpus), str(folder / "theirs"), workers, ALPHA)
    speed = Measure(f"{len(rows):,} documents cleaned", "per CPU-s", Goal("ratio", 20), more=True)
    yield Row.of(
        speed,
        Samples([len(rows) / mine], None if theirs is None else [len(rows) / theirs]),
        DATATROVE.title,
    )
    dropped = list(read_rows(folder / "ours" / "made", file=DROPPED))
    kept = {row["id"] for row in read_rows(folder / "ours" / "made", ["id"])}
    if theirs is not None:
        yield from agreement(rows, dropped, kept, folder / "theirs")
    yield from copies(rows, dropped, kept, folder)


def spent(*command: str) -> float:
    """Run a program to its end; return the CPU-seconds of it and of all that it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def agreement(
    rows: Sequence[dict[str, Any]],
    dropped: Sequence[dict[str, Any]],
    kept: set[str],
    theirs: Path,
) -> Iterator[Row]:
    """Compare verdicts, and how many documents are kept."""
    judged = {
        json.loads(line)["id"]
        for name in ("repetition", "gopher", "c4")
        for file in (theirs / "judged" / name).glob("*.jsonl")
        for line in file.read_text(encoding="utf-8").splitlines()
    }
    poor = {row["id"] for row in dropped if row["name"] == "quality"}
    same = sum((row["id"] in judged) == (row["id"] in poor) for row in rows)
    share = Measure("verdicts of quality equal to the peer's", "%", Goal("ours", 99), more=True)
    yield Row.of(share, Samples([100 * same / len(rows)], None))
    files = (theirs / "kept").glob("*.parquet")
    stay = sum(pq.read_metadata(file).num_rows for file in files)
    print(f"kept: {len(kept):,}, the peer {stay:,}", file=sys.stderr)
    apart = Measure("kept, apart from the peer's count", "%", Goal("ours", 0.5))
    yield Row.of(apart, Samples([100 * abs(len(kept) - stay) / stay], None))


def copies(
    rows: Sequence[dict[str, Any]], dropped: Sequence[dict[str, Any]], kept: set[str], folder: Path
) -> Iterator[Row]:
    """Count the planted copies that went, and audit each near copy that did."""
    poor = {row["id"] for row in dropped if row["name"] == "quality"}
    originals = {row["src"]: row["id"] for row in rows if not row["plant"]}
    planted: dict[str, list[str]] = {}
    for row in rows:
        if row["plant"] and row["orig"] in originals and row["id"] not in poor:
            planted.setdefault(originals[row["orig"]], []).append(row["id"])
    planted = {id: found for id, found in planted.items() if id not in poor}
    wanted = sum(map(len, planted.values()))
    missed = sum(max(0, len(kept & {id, *found}) - 1) for id, found in planted.items())
    name = f"planted copies that went, of {wanted:,}"
    yield Row.of(
        Measure(name, "%", Goal("ours", 99), more=True),
        Samples([100 * (wanted - missed) / wanted], None),
    )
    near = [row for row in dropped if row["name"] == "dedup" and row["rule"] == "nearly the same"]
    texts = {row["id"]: row["text"] for row in dropped}
    texts |= {row["id"]: row["text"] for row in read_rows(folder / "ours/made", ["id", "text"])}
    alike = sum(likeness(row["text"], texts[row["kept"]]) >= SIMILARITY for row in near)
    name = f"near copies that went and are really alike, of {len(near):,}"
    yield Row.of(
        Measure(name, "%", Goal("ours", 98), more=True), Samples([100 * alike / len(near)], None)
    )


def likeness(left: str, right: str) -> float:
    """Return the Jaccard similarity of the word 5-grams of two texts, in plain Python."""
    one, other = _grams(left), _grams(right)
    return len(one & other) / len(one | other) if one or other else 1.0


def _grams(text: str) -> set[tuple[str, ...]]:
    plain = unicodedata.normalize("NFD", text.lower())
    plain = "".join(c for c in plain if unicodedata.category(c) != "Mn").replace("_", " ")
    words = WORD.findall(NUMBER.sub("0", plain))
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


def verdicts(file: Path) -> Iterator[Row]:
    """Compare the verdicts of each filter by itself, with datatrove's own thresholds."""
    if not DATATROVE.ready():
        return
    from bench.harness.filters import compared

    script = [str(program(DATATROVE.folder, "python")), str(WORKERS / "datatrove_verdicts.py")]
    done = subprocess.run([*script, str(file)], stdout=subprocess.PIPE, text=True, check=True)
    theirs = [json.loads(line) for line in done.stdout.splitlines()]
    for name, share in compared(file, theirs):
        goal = Goal("ours", 99)
        measure = Measure(f"verdicts of {name} alone, datatrove's thresholds", "%", goal, more=True)
        yield Row.of(measure, Samples([share], None))


if __name__ == "__main__":
    for row in run():
        print(row)
