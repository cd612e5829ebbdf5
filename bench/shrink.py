"""Small language models: what fewer bits and fewer layers cost, in perplexity, bytes and speed.

What is equal and what is not:

- The model is the built-in one of 135 million parameters, the texts are PEPs. Every tenth document
  is kept for measuring, and models with fewer layers learn from the others.
- The peer of each form is the whole model in 16 bits, read and asked in the same way by the same
  engine. Forms are measured one after the other.
- The range of a rise is its 95 % interval by a paired bootstrap over the windows that chose.

The weights were quantised to four bits before they came here, so that no figure says what a model
that has all of its bits would lose. It takes about ten minutes on four cores.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from bench.harness.measure import Figure, Row
from bench.harness.peer import PEERS
from inhouse.core.artifact import Ref
from inhouse.project.project import Project

PROJECT = """\
project: shrink
data: {peps: {from: ./peps}, held: {from: ./held}}
models:
  base: {from: smollm2-135m-instruct}
  small:
    compress: models/base
    budget: {perplexity: 2%}
    test: data/held
    layers: {mix: data/peps, leave_out: [10%], budget: {tokens: 60k}}
"""
DOCUMENTS, EVERY = 200, 10
PEER = "16 bits"


def run() -> Iterator[Row]:
    """Make a model small and tell what was measured; nothing if the texts are not there."""
    file = Path(os.environ.get("INHOUSE_DATA", ""), "peps", "peps.jsonl.gz")
    if not file.is_file():
        print("INHOUSE_DATA names no folder with peps: nothing measured.", file=sys.stderr)
        return
    PEERS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PEERS, prefix="shrink-") as folder:
        write(file, Path(folder))
        report = made(Path(folder))
    whole = report["model"]
    for form in report["forms"]:
        yield from rows(form, whole)


def write(file: Path, folder: Path) -> None:
    """Write the project file and its documents."""
    for name in ("peps", "held"):
        (folder / name).mkdir()
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for place, line in enumerate(islice(lines, DOCUMENTS)):
            name = "peps" if place % EVERY else "held"
            (folder / name / f"{place:03}.md").write_text(
                json.loads(line)["text"], encoding="utf-8"
            )
    (folder / "inhouse.yaml").write_text(PROJECT, encoding="utf-8")


def made(folder: Path) -> dict[str, Any]:
    """Return the report of the smaller model."""
    project = Project(folder / "inhouse.yaml", actor="bench")
    try:
        project.run()
        small = project.catalog.load(Ref.parse("models/small")).folder
        found: dict[str, Any] = json.loads((small / "report.json").read_text(encoding="utf-8"))
        return found
    finally:
        project.close()


def rows(form: Mapping[str, Any], whole: Mapping[str, Any]) -> Iterator[Row]:
    """Yield what was measured of a form."""
    name, rise = form["form"], form["rise"]
    risen = Figure(*(100 * rise[key] for key in ("share", "low", "high")))
    yield Row(
        name=f"{name}: rise of perplexity", unit="%", ours=risen, peer_name=None, peer=None,
        ratio=None, target=None, ok=None,
    )  # fmt: skip
    for what, key, unit, scale in (
        ("perplexity", "perplexity", "", 1),
        ("size", "bytes", "MB", 1e-6),
        ("read by one client", "reads_tokens_per_second", "tokens/s", 1),
        ("written to one client", "writes_tokens_per_second", "tokens/s", 1),
    ):
        ours, peer = form[key] * scale, whole[key] * scale
        yield Row(
            name=f"{name}: {what}", unit=unit, ours=Figure.of([ours]), peer_name=PEER,
            peer=Figure.of([peer]), ratio=Figure.of([ours / peer]), target=None, ok=None,
        )  # fmt: skip
