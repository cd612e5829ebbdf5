"""The machines of a Ray cluster clean a data set to the same bytes as this one alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from rows_world import documents, made
from test_curate import PROGRAM, digests, many, prose

from inhouse.catalog import rows as rows_module
from inhouse.core.access import Actor
from inhouse.core.artifact import identity
from inhouse.core.errors import MissingExtra
from inhouse.core.stage import Context
from inhouse.data import unfinished
from inhouse.data.chain import Left
from inhouse.data.curate import Curate
from inhouse.data.curate import curated as cleaned
from inhouse.data.ray_cluster import Job, through, unseen
from inhouse.data.recipe import Step, read_step
from inhouse.data.source import sourced
from inhouse.data.step import Batch, Given
from inhouse.data.steps.pii import KEY

pytest.importorskip("numba", reason="needs the extra [data]")

CLUSTER = Path(__file__).with_name("two_machines.py")
STEPS = ["extract", "quality", "dedup", {"pii": "pseudonymise"}, {"sample": 200}]
SETTINGS = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",  # what else runs here is not its business
}
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra [ray]")
__all__ = ["many"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A cluster of two machines: its address, and its program."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, str(CLUSTER), str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env=settings(),
    ) as program:  # fmt: skip
        assert program.stdin and program.stdout
        assert program.stdout.readline() == "ready\n"
        yield f"ray://127.0.0.1:{port}", program
        program.stdin.close()


def settings() -> dict[str, str]:
    return os.environ | SETTINGS | {"PYTHONPATH": os.pathsep.join(sys.path)}


def begun(raw: Path, work: Path, on: str, seconds: float) -> subprocess.Popen[str]:
    """Begin to clean on a cluster; it prints a line for each batch that it kept."""
    command = [sys.executable, str(PROGRAM), str(raw), str(work), json.dumps(STEPS), str(seconds)]
    return subprocess.Popen([*command, "0", on], stdout=subprocess.PIPE, text=True, env=settings())


def with_key(work: Path) -> Path:
    """Stand-ins are others in each run, unless it goes on with the same key."""
    (work / unfinished.FOLDER).mkdir(parents=True)
    (work / unfinished.FOLDER / KEY).write_bytes(bytes(32))
    return work


@needs_ray
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_cluster_ends_in_the_same_bytes_whoever_is_killed(many: Path, tmp_path: Path, cluster):
    on, program = cluster
    here, there = with_key(tmp_path / "here"), with_key(tmp_path / "there")
    for work, where in ((here, ""), (there, on)):
        with begun(many, work, where, 0) as run:
            assert run.stdout
            lines = len(run.stdout.readlines())
        assert (run.returncode, lines) == (0, 40 * 3)  # a pass begins with what saw the whole
    assert digests(there) == digests(here)

    cut = with_key(tmp_path / "cut")
    with begun(many, cut, on, 0.05) as run:
        assert run.stdout
        for _ in range(50):
            assert run.stdout.readline()
        run.send_signal(signal.SIGKILL)
    files = (cut / unfinished.FOLDER).rglob("[0-9]*.rows.arrow")
    done = {file: file.stat().st_mtime_ns for file in files}
    assert 50 <= len(done) < 40 * 3
    with begun(many, cut, on, 0.05) as run:  # a machine is lost in the middle of it
        assert run.stdout
        assert run.stdout.readline()
        program.stdin.write("\n")
        program.stdin.flush()
        run.stdout.read()
    assert run.returncode == 0
    assert {file: file.stat().st_mtime_ns for file in done} == done
    assert digests(cut) == digests(here)


class Elsewhere:
    """A cluster of this process: it has nothing but what machines are told."""

    threads = 2

    def __init__(self, ray: object, steps: Sequence[Step], given: Given) -> None:
        self._job = Job.of(steps, given)

    def stop(self) -> None:
        pass

    def through(self, places: Sequence[int], looking: int | None) -> Callable[[Batch], Left]:
        return lambda batch: through(self._job, batch, places, looking)


def test_what_machines_are_told_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rows_module, "GROUP_ROWS", 10)
    raw = documents(tmp_path / "raw", [prose(n % 55) for n in range(80)])
    exam = documents(tmp_path / "exam", [prose(n) for n in range(5, 25)], ref="data/exam")
    other = documents(tmp_path / "other", [prose(n, 5) for n in range(20)], ref="data/other")
    steps = [
        "extract",
        {"domain": {"in": "data/exam", "out": "data/other"}},
        {"decontaminate": "data/exam"},
        {"split": {"a": 0.5, "b": 0.5}},
        "dedup",
        {"pii": "pseudonymise"},
    ]
    inputs = {one.artifact.ref.path: one for one in (raw, exam, other)}
    spec = Curate.of([read_step(step) for step in steps], ["data/raw"])
    monkeypatch.setattr("inhouse.data.passes.Cluster", Elsewhere)
    told = []
    for name, ray in (("here", None), ("there", object())):
        ctx = Context(with_key(tmp_path / name), Actor("ana"))
        with sourced({"data/raw": inputs["data/raw"]}) as source:
            told.append(cleaned(source, spec, inputs, ctx, ray))
    assert told[0] == told[1]
    assert 0 < told[0]["documents"] < 55
    assert digests(tmp_path / "here") == digests(tmp_path / "there")


def test_where_it_is_done_is_not_what_is_made():
    spec = Curate.of([read_step("dedup")], ["data/raw"])
    assert identity(replace(spec, on="ray://head:10001")) == identity(spec)


def test_without_ray_a_cluster_is_one_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("inhouse.core.cluster.find_spec", lambda _: None)
    Curate.of([read_step("dedup")], []).require()
    with pytest.raises(MissingExtra, match=r"Cleaning data on several machines needs .*\[ray\]"):
        Curate.of([read_step("dedup")], [], "ray://head:10001").require()


def test_a_machine_that_cannot_do_the_steps_is_told_apart(tmp_path: Path):
    exam = documents(tmp_path / "exam", [prose(1)], ref="data/exam")
    steps = [read_step({"decontaminate": "data/exam"}), read_step("quality")]
    given = Given({"data/exam": exam, "data/raw": made(tmp_path / "raw", "data/raw")}, 0, tmp_path)
    job = Job.of(steps, given)
    assert list(job.inputs) == ["data/exam"]  # rows travel
    assert unseen(job) == ""
    elsewhere = {"data/exam": replace(exam, folder=tmp_path / "no")}
    assert unseen(replace(job, inputs=elsewhere)) == str(tmp_path / "no")
    older = [{**job.steps[0], "code": 0}]
    with pytest.raises(RuntimeError, match="its step 'decontaminate' is of another version"):
        unseen(replace(job, steps=older))
