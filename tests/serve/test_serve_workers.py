"""Several worker processes: one is killed, all are drained, and limits hold over them together."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from served_process import Served, project_file, serving, until, upstream, waiting
from small_project import PROGRAM, environment, opened

from inhouse.catalog.key import Limits
from inhouse.serve import workers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one worker serves there")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with upstream() as port:
        yield project_file(tmp_path_factory.mktemp("served"), port)


@pytest.fixture(scope="module")
def served(file: Path) -> Iterator[Served]:
    with serving(file, "--workers", "2") as found:
        yield found


@pytest.fixture
def own(file: Path) -> Iterator[Served]:
    with serving(file, "--workers", "2") as found:
        yield found


class Load(threading.Thread):
    """Asks on and on, and keeps which whole answers it got."""

    def __init__(self, served: Served, *, stream: bool) -> None:
        super().__init__()
        self.served, self.stream = served, stream
        self.acknowledged: list[str] = []
        self.broken = 0
        self.enough = threading.Event()

    def run(self) -> None:
        while not self.enough.is_set():
            try:
                status, body = self.served.ask(stream=self.stream)
            except (OSError, http.client.HTTPException):
                self.broken += 1  # it was the killed worker's
                continue
            assert status == 200, body
            if b"[DONE]" in body or not self.stream:
                self.acknowledged.append(body.partition(b"chatcmpl-")[2][:32].decode())


def more_answers(load: Sequence[Load]) -> None:
    """Wait until twenty more were acknowledged."""
    before, ends = sum(len(each.acknowledged) for each in load), time.monotonic() + 30
    while sum(len(each.acknowledged) for each in load) < before + 20:
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_killed_worker_is_replaced_and_no_answer_is_lost(served: Served):
    load = [Load(served, stream=number % 2 == 0) for number in range(6)]
    for each in load:
        each.start()
    chance = random.Random(3)
    for _ in range(2):
        more_answers(load)
        time.sleep(chance.uniform(0, 0.1))
        before = served.workers()
        victim = chance.choice(sorted(before))
        os.kill(before[victim], signal.SIGKILL)
        served.wait_for(f"Worker {victim} (process {before[victim]}) was killed by signal 9")
        ends = time.monotonic() + 20
        while served.workers()[victim] == before[victim]:
            assert time.monotonic() < ends
            time.sleep(0.02)
    more_answers(load)
    for each in load:
        each.enough.set()
    for each in load:
        each.join(30)
    acknowledged = {id for each in load for id in each.acknowledged}
    assert len(acknowledged) >= 60
    # Two kills break off what two workers had begun, and nothing else.
    assert sum(each.broken for each in load) <= 2 * len(load)
    states = served.states()
    assert {id for id in acknowledged if states.get(id) != "done"} == set()
    assert set(states.values()) <= {"done", "aborted"}


def test_limits_hold_over_all_workers(served: Served):
    with opened(served.file, "ana") as project:
        keys = project.catalog.keys
        _, key = keys.create("ana", by="ana", allowed=Limits(5, None, 2))
        served = replace(served, key=key)
        answers: list[int] = []
        lock = threading.Lock()

        def ask() -> None:
            status, _ = served.ask("wait", stream=True, timeout=90)
            with lock:
                answers.append(status)

        with waiting() as go:
            asking = [threading.Thread(target=ask) for _ in range(6)]
            for each in asking:
                each.start()
            until(lambda: len(answers) == 4)
            go.set()
            for each in asking:
                each.join(90)
        assert Counter(answers) == {200: 2, 429: 4}
        assert Counter(served.ask()[0] for _ in range(8)) == {200: 3, 429: 5}
        listed = keys.list()[-1]
        keys.change(listed.id, by="ana", allowed=Limits(requests_per_minute=10_000))
        assert Counter(served.ask()[0] for _ in range(8)) == {200: 8}


def test_open_streams_end_well_at_sigterm(own: Served):
    answers: list[tuple[int, bytes]] = []

    def ask() -> None:
        answers.append(own.ask("wait", stream=True, timeout=90))

    with waiting() as go:
        asking = [threading.Thread(target=ask) for _ in range(4)]
        for each in asking:
            each.start()
        until(lambda: list(own.states().values()).count("open") == 4)
        own.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(own.port))
        assert not answers
        go.set()
        for each in asking:
            each.join(90)
    assert [(status, body.endswith(b"data: [DONE]\n\n")) for status, body in answers] == [
        (200, True)
    ] * 4
    assert own.process.wait(30) == 0
    assert "open" not in own.states().values()


def refuses(port: int) -> bool:
    """Say whether nobody listens on a port any more."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=20).close()
    except ConnectionError:
        return True
    return False


def test_whichever_worker_is_asked_tells_the_metrics_of_all(served: Served):
    with opened(served.file, "ana") as project:
        project.catalog.access.apply({"op": frozenset({"operator"})}, {}, by="ana")
        _, operator = project.catalog.keys.create("op", by="ana")
    assert {served.ask()[0] for _ in range(4)} == {200}
    for _ in range(4):
        ends = time.monotonic() + 20  # one that is too busy to answer is left out of a scrape
        told: set[int] = set()
        while told != set(served.workers().values()):
            assert time.monotonic() < ends
            status, text = served.get("/metrics", operator)
            assert status == 200
            lines = re.findall(r'inhouse_build_info{.*worker="(\d+)"', text.decode())
            told = set(map(int, lines))


def test_workers_go_on_for_a_while_until_the_second_signal(file: Path):
    def wait_until(ready: bool) -> None:
        ends = time.monotonic() + 20
        while (own.get("/readyz")[0] == 200) != ready:
            assert time.monotonic() < ends
            time.sleep(0.02)

    with serving(file, "--workers", "2", "--drain", "60", "--log", "json") as own:
        wait_until(ready=True)  # before that, it is not ready for another reason
        own.process.send_signal(signal.SIGTERM)
        wait_until(ready=False)
        assert own.ask()[0] == 200
        own.process.send_signal(signal.SIGTERM)
        assert own.process.wait(30) == 0
    lines = [json.loads(line) for line in own.said]
    assert {line["route"] for line in lines if "route" in line} == {
        "/readyz", "/v1/chat/completions",
    }  # fmt: skip


def test_workers_end_with_who_looks_after_them(own: Served):
    workers = own.workers().values()
    own.process.kill()
    ends = time.monotonic() + 20
    for pid in workers:
        while _alive(pid):
            assert time.monotonic() < ends
            time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        # Where nobody takes note of the end of an orphan, it stays listed as a zombie.
        return not stat.exists() or stat.read_text().rpartition(") ")[2][0] not in "ZX"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_worker_that_never_answers_is_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(workers, "START_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        with pytest.raises(workers.NoWorkers, match="killed by signal 9 before it answered"):
            workers.supervise(listener, command, workers=1, ready=lambda: None)
    assert "does not answer after 0.5 s and is killed" in caplog.text


def test_workers_that_cannot_start_end_the_server(file: Path):
    command = [*PROGRAM, "serve", "--port", "0", "--workers", "2", "-p", str(file)]
    traces = file.parent / ".inhouse" / "traces"
    traces.mkdir(exist_ok=True)
    traces.rename(traces.with_name("elsewhere"))
    traces.write_text("a file where a folder should be")
    try:
        done = subprocess.run(
            command, cwd=file.parent, env=environment(), capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
    finally:
        traces.unlink()
        traces.with_name("elsewhere").rename(traces)
    assert done.returncode == 1
    assert "Nothing can be recorded" in done.stderr
    assert "ended with exit code 1 before it answered" in done.stderr
