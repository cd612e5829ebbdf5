"""kill -9 under load: what was acknowledged is there, and what was open is shown as cut off."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from inhouse.catalog import Catalog
from inhouse.observe import days
from inhouse.observe.wanted import Wanted

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")

WORKER = """
import asyncio, os, sys, time
from pathlib import Path
from inhouse.core.label import Label
from inhouse.core.nouns import Trace
from inhouse.observe.recorder import Recorder

TEXT = "x" * 1500
recorder = Recorder(Path(sys.argv[1]), sys.argv[2])

def say(*words):
    os.write(1, (" ".join(words) + "\\n").encode())

async def produce(name):
    for number in range(1_000_000):
        about = dict(id=f"{name}-{number}", at=time.time(), actor="ana", route="/",
                     label=Label.OPEN, request={"messages": [{"role": "user", "content": TEXT}]})
        await recorder.record(Trace(state="open", **about))
        say("open", about["id"])
        await recorder.record(Trace(state="done", answer="y" * 300, **about))
        say("done", about["id"])

async def main():
    await asyncio.gather(*(produce(f"{sys.argv[3]}-{n}") for n in range(32)))

asyncio.run(main())
"""


def run_and_kill(folder: Path, durability: str, name: str, seconds: float) -> list[list[str]]:
    """Return what was acknowledged before the worker was killed."""
    command = [sys.executable, "-c", WORKER, str(folder), durability, name]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        said = [process.stdout.readline()]  # it is under way
        killer = threading.Timer(seconds, process.kill)
        killer.start()
        said += process.stdout.readlines()  # all along: it would wait where a full pipe stops it
        killer.join()
    assert process.returncode == -9
    return [line.decode().split() for line in said if line.endswith(b"\n")]


@pytest.mark.parametrize("durability", ["power", "process"])
def test_what_was_acknowledged_is_there(tmp_path: Path, durability: str):
    chance = random.Random(11)
    folder, catalog = tmp_path / "traces", Catalog(tmp_path / "store")
    promised: dict[str, str] = {}
    for kill in range(4):
        for state, id in run_and_kill(folder, durability, f"{kill}", chance.uniform(0, 0.4)):
            promised[id] = state
    found = {row.id: row.state for row in days.rows(catalog, folder, Wanted())}
    assert len(promised) > 100
    assert promised.keys() - found.keys() == set()
    assert [id for id, state in promised.items() if state == "done" and found[id] != "done"] == []
    assert set(found.values()) == {"done", "aborted"}
    cut_off = {row.id for row in days.rows(catalog, folder, Wanted(state="aborted"))}
    assert cut_off == {id for id, state in found.items() if state == "aborted"}
    assert list(days.rows(catalog, folder, Wanted(state="open"))) == []
    catalog.close()


def test_what_a_living_worker_has_begun_is_open(tmp_path: Path):
    folder, catalog = tmp_path / "traces", Catalog(tmp_path / "store")
    run_and_kill(folder, "process", "dead", 0.0)
    command = [sys.executable, "-c", WORKER, str(folder), "process", "alive"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        seen: set[tuple[str, str]] = set()
        limit = time.monotonic() + 30
        while ("alive", "done") not in seen or ("alive", "open") not in seen:
            assert time.monotonic() < limit
            process.stdout.readline()
            rows = days.rows(catalog, folder, Wanted())
            seen |= {(row.id.partition("-")[0], row.state) for row in rows}
        process.kill()
    assert ("dead", "open") not in seen
    assert ("alive", "aborted") not in seen
    catalog.close()
