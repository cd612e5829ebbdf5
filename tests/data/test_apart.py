"""Processes judge rows as this one does, and none outlives whoever started it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from rows_world import curated, documents, made
from test_curate import PROGRAM, digests, prose

from inhouse.catalog import rows as rows_module
from inhouse.catalog.rows import schema
from inhouse.core.errors import InhouseError
from inhouse.data import apart
from inhouse.data.apart import Apart
from inhouse.data.recipe import read_step
from inhouse.data.step import Batch, Given

SAID = "Write to {}@example.com or call Maria Lopez, SSN 078-05-1120. "
STEP = read_step({"pii": "pseudonymise"})


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The programs that are started."""
    programs: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen):
        def __init__(self, *args, **more) -> None:
            super().__init__(*args, **more)
            programs.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    return programs


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Apart]:
    given = Given({}, 0, tmp_path)
    with Apart(STEP, STEP.module.start(STEP.settings, given), given, 2) as found:
        yield found


def batch(rows: int) -> Batch:
    plain = dict.fromkeys(schema("documents").names, "") | {"modified": 0.0}
    texts = [SAID.format(f"ana{n % 7}") * (n % 3) for n in range(rows)]
    listed = [{**plain, "id": str(n), "text": text} for n, text in enumerate(texts)]
    return Batch("documents", pa.Table.from_pylist(listed, schema("documents")))


def test_processes_say_what_one_says(processes, started, tmp_path: Path, monkeypatch):
    rows = batch(60)
    here = STEP.module.start(STEP.settings, Given({}, 0, tmp_path)).judge(rows)
    assert processes.judge(rows) == here
    assert not started  # so few rows are not worth it
    monkeypatch.setattr(apart, "FEW", 0)
    monkeypatch.setattr(apart, "SLICE", 500)
    there = processes.judge(rows)
    assert len(started) == 2
    assert there.flagged == here.flagged
    assert there.rows.equals(here.rows, check_metadata=True)  # the same stand-ins everywhere
    assert [chunks.num_chunks for chunks in there.rows.columns] == [1] * 6
    assert processes.judge(batch(0)).rows.num_rows == 0


def test_a_process_that_is_lost_is_one_sentence(processes, started, monkeypatch):
    monkeypatch.setattr(apart, "FEW", 0)
    processes.judge(batch(3))
    started[0].kill()
    started[0].wait()
    with pytest.raises(InhouseError, match=r"that does the step 'pii' was ended by SIGKILL\. Run"):
        processes.judge(batch(3))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="children are read from /proc")
def test_killed_it_leaves_no_process_and_goes_on_to_the_same_bytes(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(rows_module, "GROUP_ROWS", 10)
    documents(tmp_path / "raw", [prose(n) + SAID.format(n) for n in range(120)])
    steps = ["extract", {"pii": "mask"}]
    command = [sys.executable, str(PROGRAM), str(tmp_path / "raw"), str(tmp_path / "cut")]
    with subprocess.Popen(
        [*command, json.dumps(steps), "0.1", "0"], stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout
        assert killed.stdout.readline()
        tasks = Path(f"/proc/{killed.pid}/task").glob("*/children")
        children = [int(pid) for task in tasks for pid in task.read_text().split()]
        killed.send_signal(signal.SIGKILL)
    assert children
    until = time.monotonic() + 60
    while alive := [pid for pid in children if runs(pid)]:
        assert time.monotonic() < until, alive
        time.sleep(0.05)
    assert 1 <= len(list(tmp_path.glob("cut/unfinished/0/[0-9]*.rows.arrow"))) < 12
    source = made(tmp_path / "raw", "data/raw")
    _, cut = curated(tmp_path, source, steps, work="cut")
    _, whole = curated(tmp_path, source, steps, work="whole")
    assert digests(cut) == digests(whole)


def runs(pid: int) -> bool:
    """Say whether a process is there and is more than what is left until somebody asks for it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"
