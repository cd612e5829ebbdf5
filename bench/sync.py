"""A sync: what one edit costs, and what is left when it is killed.

What is equal and what is not:

- There is no peer in these rows: of the frameworks that keep an index in step with files none is
  both a single process and makes an index of sections from them, so nothing would be equal.
- The edit: one word of one section in the files of a handbook, as its repository has them, in
  the folder that INHOUSE_DATA names. `inhouse run` is timed as a person types it, from the start
  of the program to its end, with the embedder to be loaded. Each round edits another file.
- The kills: pages that carry their revision; about half of them are edited, `inhouse run` is
  killed with SIGKILL at a moment drawn evenly from the length of a run, and the store is looked
  at by other processes. Then the run is done again to its end and compared, digest by digest,
  with one from nothing in another store.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.harness.embedder import built_embedder
from bench.harness.killing import PROGRAM, PROJECT, Killing
from bench.harness.measure import Goal, Measure, Row, Samples
from bench.harness.peer import PEERS

HANDBOOKS = ("handbook-18f", "handbook-sourcegraph")
ROUNDS, KILLS, PAGES = 5, 50, 40
LINE = re.compile(r"^[A-Z][^\n]{60,}[a-z]\.$", re.MULTILINE)


def run() -> Iterator[Row]:
    """Measure the edits where the handbooks are there, then the kills."""
    PEERS.mkdir(exist_ok=True)
    built_embedder()
    data = Path(os.environ.get("INHOUSE_DATA", ""))
    for name in HANDBOOKS:
        if (data / name / "files").is_dir():
            yield from edits(name, data / name / "files")
        else:
            print(f"INHOUSE_DATA has no {name}: no edits of it measured.", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=PEERS, prefix="sync-") as folder:
        yield from kills(Path(folder))


def edits(name: str, files: Path) -> Iterator[Row]:
    """Measure what it costs to edit one section of a handbook whose index is kept."""
    folder = PEERS / f"sync-{name}"
    shutil.rmtree(folder / "docs", ignore_errors=True)
    shutil.copytree(files, folder / "docs")
    (folder / "inhouse.yaml").write_text(PROJECT, encoding="utf-8")
    _run(folder)
    found = [file for file in sorted((folder / "docs").rglob("*.md")) if _place(file)]
    embedded, seconds, cpu = [], [], []
    for number in range(ROUNDS):
        file = found[(number * 2 + 1) * len(found) // (ROUNDS * 2)]
        text, place = file.read_text(encoding="utf-8"), _place(file)
        file.write_text(f"{text[:place]}x{text[place:]}", encoding="utf-8")
        before, started = _children(), time.perf_counter()
        summary = _run(folder)
        seconds.append(time.perf_counter() - started)
        cpu.append(_children() - before)
        embedded.append(summary["embedded"])
    about = f"{name}: one edit among {summary['sections']:,} sections"
    for what, unit, samples, goal in (
        ("embedded", "passages", embedded, Goal("ours", 1)),
        ("inhouse run", "s", seconds, Goal("ours", 5)),
        ("inhouse run", "CPU-s", cpu, None),
    ):
        yield Row.of(Measure(f"{about}, {what}", unit, goal), Samples(samples, None))


def kills(folder: Path) -> Iterator[Row]:
    """Kill syncs and say what was seen."""
    killing = Killing(folder / "project", PEERS / "minilm", pages=PAGES, seed=1)
    tally = killing.kill(KILLS)
    for problem in (*tally.torn, *tally.lost):
        print(problem, file=sys.stderr)
    about = f"{tally.kills} syncs killed"
    none = Goal("ours", 0)
    for what, unit, value, goal in (
        ("store or index torn", "", len(tally.torn), none),
        ("next run ends in other bytes", "", len(tally.lost), none),
        ("work of the killed run taken up", "%", 100 * tally.taken_up, None),
        ("CPU for each, with all checks", "CPU-s", tally.cpu_seconds / tally.kills, None),
    ):
        yield Row.of(Measure(f"{about}: {what}", unit, goal), Samples([value], None))


def _place(file: Path) -> int:
    """Return the end of the last word of a sentence in the middle of a text; 0 if there is none."""
    found = list(LINE.finditer(file.read_text(encoding="utf-8", errors="replace")))
    return found[len(found) // 2].end() - 1 if found else 0


def _run(folder: Path) -> dict[str, int]:
    words = ["run", "knowledge/desk", "--json", "--actor", "bench"]
    done = subprocess.run([*PROGRAM, *words], cwd=folder, stdout=subprocess.PIPE, check=True)
    summary: dict[str, int] = json.loads(done.stdout)["steps"][-1]["summary"]
    return summary


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
