"""The recorder: many producers at once, each waiting until its record of 2 kB is on the disk.

What is equal and what is not:

- one transaction a record: the same rows in the same table of the same SQLite, flushed to the
  disk as ours, but each in a transaction of its own, one after the other.
- MLflow tracing: a span with the same texts, exported before it returns
  (`MLFLOW_ENABLE_ASYNC_TRACE_LOGGING=false`; its default answers first and records later), into
  its SQLite store with its own settings, which do not wait for the disk. It writes more: the
  trace, its span and its metadata in several tables. As many threads as there are producers.
- kill -9: 32 producers, killed at a moment by chance; what was acknowledged through a pipe is
  looked up afterwards.

``power`` waits for the disk at each commit, so what one producer waits is what the disk takes.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from bench.harness.measure import Goal, Measure, Row, Samples, interleave
from bench.harness.peer import PEERS, WORKERS, Peer, worker
from inhouse.catalog import Catalog
from inhouse.core.label import Label
from inhouse.core.nouns import Trace
from inhouse.observe import days
from inhouse.observe.dayfile import DayFile, replacement
from inhouse.observe.recorder import Durability, Recorder
from inhouse.observe.rows import day_of, row_of
from inhouse.observe.wanted import Wanted

MLFLOW = Peer("mlflow-skinny", (("mlflow-skinny==3.17.2", "sqlalchemy==2.1.9", "alembic==1.20.1"),))
ALONE = "SQLite, one transaction a record"
ASKED, ANSWERED = "x" * 1500, "y" * 300
RECORDS = {64: 6_000, 16: 3_000, 1: 300}
FEWER = {64: 600, 16: 300, 1: 300}
ROUNDS = 7
KILLS = 10

Record = Callable[[Trace], Awaitable[object]]


@dataclass
class Load:
    """Producers that record on and on; a round gives records per second."""

    record: Record
    producers: int
    records: int
    middle: list[float] = field(default_factory=list)
    worst: list[float] = field(default_factory=list)

    def round(self, loop: asyncio.AbstractEventLoop) -> float:
        """Record for a while, and keep the milliseconds to acknowledgement."""
        waits: list[float] = []
        started = time.perf_counter()
        loop.run_until_complete(self._all(waits))
        seconds = time.perf_counter() - started
        waits.sort()
        self.middle.append(statistics.median(waits) * 1e3)
        self.worst.append(waits[int(len(waits) * 0.99)] * 1e3)
        return len(waits) / seconds

    async def _all(self, waits: list[float]) -> None:
        await asyncio.gather(*(self._one(waits) for _ in range(self.producers)))

    async def _one(self, waits: list[float]) -> None:
        for _ in range(self.records // self.producers):
            trace = new()
            started = time.perf_counter()
            await self.record(trace)
            waits.append(time.perf_counter() - started)


def run() -> Iterator[Row]:
    """Measure in new folders on one disk, both durable in the same way."""
    PEERS.mkdir(exist_ok=True)
    loop = asyncio.new_event_loop()
    try:
        with tempfile.TemporaryDirectory(dir=PEERS, prefix="recorder-") as folder:
            for producers in RECORDS:
                yield from beside_one_by_one(loop, Path(folder), producers)
            yield from for_the_process(loop, Path(folder))
            yield beside_mlflow(loop, Path(folder))
            yield killed(Path(folder))
    finally:
        loop.close()


def beside_one_by_one(
    loop: asyncio.AbstractEventLoop, folder: Path, producers: int
) -> Iterator[Row]:
    """Measure group commit beside a transaction for each record."""
    recorder = Recorder(folder / f"ours-{producers}")
    connection = DayFile.new(folder, day_of(time.time())).create(synchronous="FULL")

    def write(trace: Trace) -> None:
        connection.execute(replacement(1), row_of(trace))

    with ThreadPoolExecutor(1) as thread:

        async def alone(trace: Trace) -> None:
            await loop.run_in_executor(thread, write, trace)

        ours = Load(recorder.record, producers, RECORDS[producers])
        peer = Load(alone, producers, FEWER[producers])
        rates = interleave(lambda: ours.round(loop), lambda: peer.round(loop), rounds=ROUNDS)
    recorder.close()
    connection.close()
    who = f"{producers} producers" if producers > 1 else "1 producer"
    goal = Goal("ours", 5_000) if producers == max(RECORDS) else None
    yield Row.of(Measure(who, "records/s", goal, more=True), rates, ALONE)
    for name, mine, other in (("p50", ours.middle, peer.middle), ("p99", ours.worst, peer.worst)):
        measure = Measure(f"{who}: {name} to acknowledgement", "ms")
        yield Row.of(measure, Samples(mine[1:], other[1:]), ALONE)


def for_the_process(loop: asyncio.AbstractEventLoop, folder: Path) -> Iterator[Row]:
    """Measure what is left to wait for where a power failure may cost the last records."""
    load, rates = measured(loop, folder / "process", "process", 16)
    yield Row.of(Measure("16 producers, durability: process", "records/s", more=True), rates)
    measure = Measure("16 producers, durability: process: p50", "ms", Goal("ours", 1))
    yield Row.of(measure, Samples(load.middle[1:], None))


def measured(
    loop: asyncio.AbstractEventLoop, folder: Path, durability: Durability, producers: int
) -> tuple[Load, Samples]:
    """Measure a recorder without a peer."""
    recorder = Recorder(folder, durability)
    load = Load(recorder.record, producers, RECORDS[producers])
    samples = interleave(lambda: load.round(loop), None, rounds=ROUNDS)
    recorder.close()
    return load, samples


def beside_mlflow(loop: asyncio.AbstractEventLoop, folder: Path) -> Row:
    """Measure beside MLflow's tracing; its worker gives seconds per record."""
    recorder = Recorder(folder / "beside-mlflow")
    load = Load(recorder.record, 16, RECORDS[16])
    (folder / "mlflow").mkdir()
    with worker(MLFLOW, "mlflow_trace", str(folder / "mlflow"), "16") as trace:
        peer = (lambda: 1 / trace()) if trace else None
        samples = interleave(lambda: load.round(loop), peer, rounds=3)
    recorder.close()
    measure = Measure("16 producers, beside MLflow tracing", "records/s", Goal("ratio", 20), True)
    return Row.of(measure, samples, MLFLOW.title)


def killed(folder: Path) -> Row:
    """Count what was acknowledged and is not there after kills."""
    chance = random.Random(5)
    place, promised = folder / "killed", set[str]()
    for _ in range(KILLS):
        promised |= until_killed(place, chance.uniform(0.05, 0.6))
    catalog = Catalog(folder / "store")
    found = {row.id for row in days.rows(catalog, place, Wanted())}
    catalog.close()
    lost = float(len(promised - found))
    name = f"acknowledged and lost in {KILLS} kills, of {len(promised):,}"
    return Row.of(Measure(name, "records", Goal("ours", 0)), Samples([lost], None))


def until_killed(folder: Path, seconds: float) -> set[str]:
    """Let a process record, kill it, and return the ids that it heard were safe."""
    command = [sys.executable, str(WORKERS / "record_on_and_on.py"), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        said = [process.stdout.readline()]
        time.sleep(seconds)
        process.kill()
        said += process.stdout.readlines()
    return {line.decode().strip() for line in said if line.endswith(b"\n")}


def new() -> Trace:
    """Return a record of about 2 kB."""
    return Trace(
        id=uuid.uuid4().hex,
        at=time.time(),
        actor="ana",
        route="/v1/chat/completions",
        state="done",
        label=Label.OPEN,
        request={"messages": [{"role": "user", "content": ASKED}]},
        answer=ANSWERED,
    )
