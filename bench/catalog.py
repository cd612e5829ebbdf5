"""The catalog: committing an artifact, verifying one, and deciding who may use it.

What is equal and what is not:

- commit: both write 1 MB of new random bytes, then put the file and two parameters on record
  under a name. Ours also hashes the file, flushes it to the disk before the row that names it,
  commits with full synchronisation, writes the audit log and keeps other processes out; MLflow
  copies the file and commits four times to SQLite with its own settings.
- verify: both read the same bytes from the page cache and compute their sha256, ours to load an
  artifact, the peers with the start of a process: `sha256sum` of coreutils, which on many systems
  is built without the processor's own instructions for it, and `openssl`, which has them.
- decide: the same question, half of it a yes: a model whose source demands
  ``hr|legal & buy-side``. Ours asks the database each time whether anything changed, so a change
  holds at the next decision. Cedar does not: with policy and entities parsed once it answers by
  what it was given; only handing them over at every call sees changes, and then it parses them.
- label check: the one mask that is left for each section of a search, against the same Cedar.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.harness.measure import Goal, Measure, Round, Row, interleave, running, timed
from bench.harness.peer import PEERS, Peer, worker
from inhouse.catalog import Catalog
from inhouse.core.access import Actor
from inhouse.core.artifact import Edge, Ref
from inhouse.core.label import Clauses, Label
from inhouse.core.stage import Context, Inputs, Recipe, Result, Stage

MLFLOW = Peer("mlflow-skinny", (("mlflow-skinny==3.17.2", "sqlalchemy==2.1.9", "alembic==1.20.1"),))
CEDAR = Peer("cedarpy", (("cedarpy==4.12.2",),))
SMALL, LARGE = 1_000_000, 200_000_000
DECISIONS, CHECKS = 1000, 100_000
DEMANDED = Label.parse("hr|legal & buy-side")
ANA = Actor("ana", frozenset({"hr", "buy-side"}))
CY = Actor("cy", frozenset({"it"}))


@dataclass(frozen=True)
class Bytes:
    """What the stage writes."""

    number: int
    size: int
    content: bytes = field(metadata={"identity": False})


def write(spec: Bytes, inputs: Inputs, ctx: Context) -> Result:
    """Write the bytes to one file."""
    (ctx.work / "weights.bin").write_bytes(spec.content)
    return Result()


WRITE = Stage("write bytes", 1, write)


def run() -> Iterator[Row]:
    """Measure each in a new store beside the peer's, on the same disk."""
    PEERS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PEERS, prefix="catalog-") as folder:
        catalog = Catalog(Path(folder, "store"))
        try:
            yield commit(catalog, Path(folder, "mlflow"))
            yield from verify(catalog)
            yield from decide(catalog)
        finally:
            catalog.close()


def commit(catalog: Catalog, folder: Path) -> Row:
    """Measure the making of an artifact with one small file."""
    folder.mkdir()
    count = 0

    def make() -> float:
        nonlocal count
        count += 1
        recipe = new(Ref("models", "small"), count, SMALL)
        started = time.perf_counter()
        assert catalog.make(recipe, by="bench").fresh
        return time.perf_counter() - started

    measure = Measure("commit an artifact of 1 MB", "ms", Goal("ratio", 1))
    with worker(MLFLOW, "mlflow_log", str(folder)) as log:
        return Row.of(measure, interleave(make, log, rounds=20, scale=1e3), MLFLOW.title)


def verify(catalog: Catalog) -> Iterator[Row]:
    """Measure the loading of an artifact with one large file."""
    ref = catalog.make(new(Ref("models", "large"), 0, LARGE), by="bench").artifact.ref
    file = catalog.load(ref).folder / "weights.bin"

    def speed(seconds: Round) -> Round:
        return lambda: LARGE / 1e6 / seconds()

    for command in (["sha256sum"], ["openssl", "dgst", "-sha256"]):
        peer = None
        if shutil.which(command[0]):
            peer = speed(running(*command, str(file)))
        samples = interleave(speed(timed(lambda: catalog.load(ref))), peer, rounds=9)
        name = f"verify an artifact of 200 MB, beside {command[0]}"
        yield Row.of(Measure(name, "MB/s", Goal("ratio", 0.8), more=True), samples, command[0])


def decide(catalog: Catalog) -> Iterator[Row]:
    """Measure a decision as the server takes it, and the label check inside."""
    catalog.access.set_label(Ref("data", "memos"), DEMANDED, by="bench")
    catalog.access.set_label(Ref("models", "desk"), Label.OPEN, by="bench")
    source = catalog.make(new(Ref("data", "memos"), 1, 10), by="bench").artifact.ref
    recipe = new(Ref("models", "desk"), 2, 10, Edge("source", source))
    judge = judging(catalog, catalog.make(recipe, by="bench").artifact.ref)
    for held, name in (("kept", "policy parsed once"), ("parsed", "policy parsed at every call")):
        with worker(CEDAR, "cedar_decide", held) as cedar:
            measure = Measure(f"decide, peer's {name}", "µs", Goal("ratio", 2))
            samples = interleave(judge, cedar, rounds=15, scale=1e6)
            yield Row.of(measure, samples, CEDAR.title)
    with worker(CEDAR, "cedar_decide", "kept") as cedar:
        measure = Measure("check a label against groups", "µs", Goal("ours", 1))
        yield Row.of(measure, interleave(checking(), cedar, rounds=15, scale=1e6), CEDAR.title)


def new(ref: Ref, number: int, size: int, *parents: Edge) -> Recipe:
    """Return a recipe for new random bytes."""
    return Recipe(ref, WRITE, Bytes(number, size, os.urandom(size)), parents)


def judging(catalog: Catalog, model: Ref) -> Round:
    """Return a round of decisions, half of them a yes, that measures the seconds of one."""

    def judge() -> float:
        allowed = 0
        started = time.perf_counter()
        for number in range(DECISIONS):
            actor = CY if number % 2 else ANA
            allowed += catalog.access.decide(actor, "read", model, record=False).allowed
        seconds = time.perf_counter() - started
        assert allowed == DECISIONS / 2
        return seconds / DECISIONS

    return judge


def checking() -> Round:
    """Return a round of label checks, half of them a yes, that measures the seconds of one."""
    clauses = Clauses()
    need = clauses.need(DEMANDED)

    def check() -> float:
        allowed = 0
        started = time.perf_counter()
        for number in range(CHECKS):
            allowed += clauses.admits(CY.groups if number % 2 else ANA.groups, need)
        seconds = time.perf_counter() - started
        assert allowed == CHECKS / 2
        return seconds / CHECKS

    return check
