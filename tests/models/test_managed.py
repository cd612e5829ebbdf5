"""Servers of others as processes of ours: started, asked, killed, never left behind."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from inhouse.core.errors import BadInput, EngineFailed, EngineStopped, NotSetUp
from inhouse.core.protocols import Constraint, Sampling
from inhouse.models import managed
from inhouse.models.engine import Request, Step
from inhouse.models.managed import Launch, ManagedServer, find_program
from inhouse.models.vllm_engine import VllmEngine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to look at processes")

DOUBLE = Path(__file__).parent / "vllm_double.py"
"""Stands in for vLLM: speaks the part of its interface that is used, and has no model."""


@pytest.fixture
def vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VllmEngine]:
    """The engine with the double for vLLM."""
    program = tmp_path / "vllm"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{DOUBLE}" "$@"\n')
    program.chmod(0o755)
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 64}')
    monkeypatch.setenv("INHOUSE_VLLM", str(program))
    engine = VllmEngine(tmp_path)
    yield engine
    asyncio.run(engine.close())


def launch(code: str, seconds: float = 30.0) -> Launch:
    return Launch(
        "a server", [sys.executable, "-c", textwrap.dedent(code)], "A_KEY", "/x", {}, seconds
    )


async def steps(engine: VllmEngine, sampling: Sampling) -> list[Step]:
    request = Request([5, 6, 7], sampling, frozenset({9}))
    return [step async for step in engine.submit(request)]


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [each for child in map(int, found) for each in (child, *children(child))]


def gone(pids: list[int]) -> bool:
    def is_gone(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    return all(map(is_gone, pids))


def eventually(holds: Callable[[], bool]) -> bool:
    limit = time.monotonic() + 20
    while not holds() and time.monotonic() < limit:
        time.sleep(0.02)
    return holds()


async def test_tokens_go_in_and_out(vllm: VllmEngine) -> None:
    assert await steps(vllm, Sampling(max_tokens=3)) == [Step(8), Step(9)]
    asked = Sampling(max_tokens=3, logprobs=1, seed=4, logit_bias=((8, 1.0),))
    assert await steps(vllm, asked) == [Step(8, -0.5, ((8, -0.5),)), Step(9, -0.25, ((9, -0.25),))]
    scores = [step async for step in vllm.score([5, 6, 7], 1)]
    assert scores == [Step(5), Step(6, -1.0, ((4, -0.5),)), Step(7, -1.0, ((4, -0.5),))]
    stats = vllm.stats()
    assert (stats.requests, stats.running, stats.tokens_written) == (3, 0, 4)


async def test_a_refusal_is_passed_on(vllm: VllmEngine) -> None:
    with pytest.raises(BadInput, match="no such grammar"):
        await steps(vllm, Sampling(constraint=Constraint("grammar", "nonsense")))


async def test_leaving_closes_the_connection(vllm: VllmEngine) -> None:
    request = Request([1], Sampling(max_tokens=10_000), frozenset({9}))
    async with aclosing(vllm.submit(request)) as found:
        await anext(found)
        assert vllm.stats().running == 1
    assert vllm.stats().running == 0
    async with asyncio.timeout(20):
        while await steps(vllm, Sampling(max_tokens=1, seed=99)) != [Step(1)]:  # so many left
            await asyncio.sleep(0.02)


async def test_a_crash_ends_answers_under_way(
    vllm: VllmEngine, caplog: pytest.LogCaptureFixture
) -> None:
    family = children(vllm._server._process.pid)
    request = Request([1], Sampling(max_tokens=10_000), frozenset({9}))
    with pytest.raises(EngineStopped):
        async for _ in vllm.submit(request):
            os.kill(family[0], signal.SIGKILL)
    assert eventually(lambda: not vllm._server.running)
    vllm._server._listener.join(20)
    assert f"vllm (process {family[0]}) was killed by signal 9 (SIGKILL)." in caplog.text
    with pytest.raises(EngineStopped):
        await steps(vllm, Sampling(max_tokens=1))


@pytest.mark.parametrize("seed", [500, 13])
async def test_one_failure_is_no_end_of_the_server(vllm: VllmEngine, seed: int) -> None:
    """Nobody else's answer ends, and nothing is started anew."""
    others = asyncio.create_task(steps(vllm, Sampling(max_tokens=2)))
    with pytest.raises(EngineFailed):
        await steps(vllm, Sampling(max_tokens=1, seed=seed))
    assert await others == [Step(8), Step(9)]
    assert vllm._server.running


async def test_an_answer_has_a_limit(vllm: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(managed, "ANSWER_LIMIT", 1024)
    with pytest.raises(EngineFailed) as failed:
        [step async for step in vllm.score([5, 13], 1)]
    assert "too long" in str(failed.value.__cause__)


async def test_what_it_says_when_it_was_asked_is_in_no_log(
    vllm: VllmEngine, caplog: pytest.LogCaptureFixture
) -> None:
    request = Request([1], Sampling(max_tokens=10_000, seed=666), frozenset({9}))
    with pytest.raises(EngineStopped):
        async for _ in vllm.submit(request):
            pass
    vllm._server._listener.join(20)
    assert re.search(r"vllm \(process \d+\) has ended with exit code 7\.", caplog.text)
    assert "a secret" not in caplog.text


async def test_closing_ends_all_processes(vllm: VllmEngine) -> None:
    family = children(vllm._server._process.pid)
    assert family
    await vllm.close()
    assert gone(family)


def test_the_last_words_of_a_server_that_does_not_start_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(NotSetUp, match="ended before it was ready") as raised:
        ManagedServer(launch("print('out of memory, sorry'); raise SystemExit(3)"))
    assert "has ended with exit code 3. Its last words: out of memory, sorry" in caplog.text
    assert "sorry" not in str(raised.value), "it is told to whoever asks over HTTP"


def test_waiting_has_an_end(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(NotSetUp, match=r"was not ready after 0\.5 s"):
        ManagedServer(launch("import time; print('thinking', flush=True); time.sleep(60)", 0.5))
    assert "thinking" in caplog.text


SERVER = """
    import http.server, os, sys
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.headers["Authorization"] == "Bearer " + {key}
            self.send_response(200 if known or self.path == "/health" else 401)
            self.end_headers()
    if os.environ.keys() & {{"OPENAI_API_KEY", "LLAMA_ARG_HF_TOKEN", "AWS_SECRET_ACCESS_KEY"}}:
        sys.exit("it has been told a secret")
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[-1])), Handler).serve_forever()
"""


def test_a_server_is_told_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "LLAMA_ARG_HF_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    told = managed._environment()
    assert told["CUDA_VISIBLE_DEVICES"] == "1"
    assert told["PATH"] == os.environ["PATH"]
    ManagedServer(launch(SERVER.format(key="os.environ['A_KEY']"))).stop()


@pytest.mark.parametrize("key", ["'another'", "self.headers.get('Authorization', '')[7:]"])
def test_whoever_does_not_know_the_key_is_not_our_server(key: str) -> None:
    """Another program may have taken the port: one that has its own key, or takes any."""
    with pytest.raises(NotSetUp, match="was not ready after 2 s"):
        ManagedServer(launch(SERVER.format(key=key), 2))


def test_the_key_is_in_no_list_of_processes() -> None:
    server = ManagedServer(launch(SERVER.format(key="os.environ['A_KEY']")))
    assert len(server._key) > 30
    family = [server._process.pid, *children(server._process.pid)]
    seen = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in family)
    assert server._key.encode() not in seen
    server.stop()
    assert gone(family[1:])


@pytest.mark.parametrize("victim", ["owner", "keeper"])
def test_nothing_outlives_a_killed_owner(tmp_path: Path, victim: str) -> None:
    code = """
        import time
        from pathlib import Path
        from inhouse.models import managed
        managed._ready = lambda *asked: True
        server = managed.ManagedServer(managed.Launch("it", ["sleep", "--", "600"], "A_KEY", "/"))
        print(server._process.pid, flush=True)
        time.sleep(600)
    """
    sleeper = "import time; time.sleep(600)"
    code = code.replace('["sleep", "--", "600"]', f'["{sys.executable}", "-c", "{sleeper}"]')
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout
    keeper = int(owner.stdout.readline())
    assert eventually(lambda: bool(children(keeper)))
    family = children(keeper)
    os.kill(owner.pid if victim == "owner" else keeper, signal.SIGKILL)
    assert eventually(lambda: gone(family))
    owner.kill()
    owner.communicate()
    assert eventually(lambda: gone([keeper]))


def test_a_missing_program_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_PROGRAM", "/nowhere/at/all")
    with pytest.raises(NotSetUp, match="A_PROGRAM names /nowhere/at/all") as found:
        find_program("some-server", "A_PROGRAM", "Get it there.")
    assert found.value.fix == "Get it there."
    monkeypatch.delenv("A_PROGRAM")
    with pytest.raises(NotSetUp, match="it is not on PATH"):
        find_program("some-server", "A_PROGRAM", "Get it there.")


@pytest.mark.gpu
async def test_vllm_writes_on_a_gpu(tiny: Callable[..., Path]) -> None:
    from inhouse.models.load import load_language

    if not Path("/dev/nvidia0").exists():
        pytest.skip("this machine has no NVIDIA GPU")
    try:
        find_program("vllm", "INHOUSE_VLLM", "")
    except NotSetUp as missing:
        pytest.skip(missing.what)
    folder = tiny("Llama", hidden_size=256, num_key_value_heads=4)
    model = load_language(folder, name="tiny", engine="vllm", exact=True)
    asked = Sampling(max_tokens=8, logprobs=2)
    pieces = [piece async for piece in model.complete([1, 2, 3], asked)]
    assert sum(len(piece.tokens) for piece in pieces) == 8
    assert len(await model.score([1, 2, 3, 4], top=1)) == 4
    await model.close()
