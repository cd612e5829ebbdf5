"""The door: requests a second, what it adds to an answer, and what it costs to keep open.

What is equal and what is not:

- Both pass chat completions on to an API on this machine that answers after 5 ms. Each runs as one
  process on the same core; that API and the clients have cores of their own.
- Ours checks the key and the label, and writes every request and answer down before the last byte
  is out. The peer checks its master key, keeps no record, and has its web price list switched off.
- The two are asked in turn, a few seconds at a time. Percentiles are of all answers of a round.
- A piece of a stream carries the time when the API sent it; what a client reads later than that is
  its lag. Added is what a round takes longer than one that asks the API itself.
- Both run from compiled modules, as an installation leaves them.
- To the first answer: from the start of the process to the first 200, asked every 20 ms.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import inhouse
from bench.harness.measure import Goal, Measure, Row, Samples
from bench.harness.peer import LITELLM, WORKERS, program

HERE = Path(sys.executable).parents[1]
ROUNDS, SECONDS = 5, 3.0
PROJECT = """\
project: bench
endpoints:
  mock: {{model: {{api: "http://127.0.0.1:{port}/v1", name: mock}}}}
  slow: {{model: {{api: "http://127.0.0.1:{port}/v1", name: slow}}}}
"""
CONFIG = """\
model_list:
  - model_name: mock
    litellm_params: {{model: openai/mock, api_base: "http://127.0.0.1:{port}/v1", api_key: none}}
  - model_name: slow
    litellm_params: {{model: openai/slow, api_base: "http://127.0.0.1:{port}/v1", api_key: none}}
general_settings: {{master_key: {key}}}
"""
MASTER = "sk-" + "0123456789abcdef" * 2
Result = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway: where it is, what opens it, and what its start took."""

    port: int
    key: str
    process: subprocess.Popen[str]
    first: float

    def cpu(self) -> float:
        """Return the seconds of a processor that it and its children have used."""
        return sum(_stat(pid) for pid in _tree(self.process.pid))

    def resident(self) -> float:
        """Return the memory that it and its children hold, in MiB."""
        pages = (Path(f"/proc/{pid}/statm").read_text() for pid in _tree(self.process.pid))
        return sum(int(text.split()[1]) for text in pages) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Clients:
    """The clients, in a process of their own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, port: int, key: str, clients: int, *, stream: bool = False) -> Result:
        """Ask one gateway for some seconds.

        Raises:
            RuntimeError: a request failed.
        """
        messages = [{"role": "user", "content": "How long is parental leave?"}]
        body: dict[str, Any] = {"model": "mock", "messages": messages}
        if stream:
            body |= {"model": "slow", "stream": True}
        wanted = {
            "port": port, "path": "/v1/chat/completions", "body": body, "clients": clients,
            "headers": {"Authorization": f"Bearer {key}"}, "seconds": SECONDS,
        }  # fmt: skip
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        found: Result = json.loads(self._process.stdout.readline())
        if found["failures"]:
            raise RuntimeError(f"{found['failures']:.0f} of {found['answers']:.0f} failed")
        return found


def run() -> Iterator[Row]:
    """Measure the door, beside the peer where that can be had."""
    if not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 3:
        print("This needs Linux and three cores: nothing measured.", file=sys.stderr)
        return
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="gateway-")))
        mock = opened.enter_context(worker("mock_upstream", core=1))
        assert mock.stdout
        port = int(mock.stdout.readline())
        clients = Clients(opened.enter_context(worker("load", core=2)))
        ours = opened.enter_context(our_gateway(folder, port))
        peer = None
        if LITELLM.ready():
            peer = opened.enter_context(litellm(folder, port))
        yield from measure(ours, peer, clients, port)


def measure(ours: Gateway, peer: Gateway | None, clients: Clients, upstream: int) -> Iterator[Row]:
    """Ask both with many, some and streaming clients; read what they cost."""
    cost: dict[int, list[float]] = {ours.port: [], peer.port if peer else 0: []}

    def many(gateway: Gateway) -> Result:
        before = gateway.cpu()
        found = clients.ask(gateway.port, gateway.key, 64)
        cost[gateway.port].append((gateway.cpu() - before) / found["answers"] * 1e3)
        return found

    mine, theirs = in_turn(many, ours, peer)
    yield row("requests a second, 64 clients", "1/s", mine, theirs, "rate", Goal("ratio", 20))
    costs = Samples(cost[ours.port][1:], cost[peer.port][1:] if peer else None)
    wanted = Measure("CPU of a request, 64 clients", "ms", Goal("ours", 0.6))
    yield Row.of(wanted, costs, LITELLM.title)

    direct: list[Result] = []

    def some(gateway: Gateway) -> Result:
        direct.append(clients.ask(upstream, "", 16))
        found = clients.ask(gateway.port, gateway.key, 16)
        return {name: found[name] - direct[-1][name] for name in ("p50", "p99")}

    mine, theirs = in_turn(some, ours, peer)
    yield row("added p50, 16 clients", "ms", mine, theirs, "p50", Goal("ours", 5))
    yield row("added p99, 16 clients", "ms", mine, theirs, "p99", Goal("ours", 30))
    mine, theirs = in_turn(
        lambda gateway: clients.ask(gateway.port, gateway.key, 16, stream=True), ours, peer
    )
    yield row("lag of a streamed piece, p50", "ms", mine, theirs, "lag", Goal("ours", 1))
    memory = Samples([ours.resident()], [peer.resident()] if peer else None)
    wanted = Measure("memory after all that", "MiB", Goal("ours", 80))
    yield Row.of(wanted, memory, LITELLM.title)
    first_answer = Samples([ours.first], [peer.first] if peer else None)
    wanted = Measure("to the first answer", "s", Goal("ours", 1))
    yield Row.of(wanted, first_answer, LITELLM.title)


def in_turn(
    ask: Callable[[Gateway], Result], ours: Gateway, peer: Gateway | None
) -> tuple[list[Result], list[Result]]:
    """Ask both in turn, the first one changing, after one round that does not count."""
    found: dict[int, list[Result]] = {}
    for number in range(ROUNDS + 1):
        both = [gateway for gateway in (ours, peer) if gateway]
        for gateway in both if number % 2 else reversed(both):
            found.setdefault(gateway.port, []).append(ask(gateway))
    return found[ours.port][1:], found[peer.port][1:] if peer else []


def row(
    name: str, unit: str, ours: Sequence[Result], peer: Sequence[Result], of: str, goal: Goal
) -> Row:
    """Return the row of one figure of the rounds."""
    theirs = [each[of] for each in peer] or None
    samples = Samples([each[of] for each in ours], theirs)
    return Row.of(Measure(name, unit, goal, more=of == "rate"), samples, LITELLM.title)


@contextmanager
def worker(name: str, *, core: int) -> Iterator[subprocess.Popen[str]]:
    """Run a program of `bench.workers` on one core until the block ends."""
    command = [sys.executable, str(WORKERS / f"{name}.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        os.sched_setaffinity(process.pid, {core})
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def our_gateway(folder: Path, upstream: int) -> Iterator[Gateway]:
    """Serve an endpoint that passes on to the API."""
    file = folder / "inhouse.yaml"
    file.write_text(PROJECT.format(port=upstream), encoding="utf-8")
    compiled = compileall.compile_dir(Path(inhouse.__file__).parent, quiet=1)
    assert compiled, "our own modules cannot be compiled"
    ours = str(program(HERE, "inhouse"))
    where = ("--project", str(file), "--json")
    subprocess.run([ours, "run", *where], check=True, capture_output=True)
    made = subprocess.run(
        [ours, "keys", "create", "--actor", "bench", *where],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    port = free_port()
    command = [ours, "serve", "--port", str(port), *where]
    with served(command, port, json.loads(made.stdout)["key"], folder) as gateway:
        yield gateway


@contextmanager
def litellm(folder: Path, upstream: int) -> Iterator[Gateway]:
    """Serve the API with LiteLLM's proxy, as it comes, with a master key."""
    config, port = folder / "config.yaml", free_port()
    config.write_text(CONFIG.format(port=upstream, key=MASTER), encoding="utf-8")
    command = [str(program(LITELLM.folder, "litellm")), "--config", str(config)]
    with served([*command, "--port", str(port)], port, MASTER, folder) as gateway:
        yield gateway


@contextmanager
def served(command: Sequence[str], port: int, key: str, folder: Path) -> Iterator[Gateway]:
    """Run a gateway on the first core, from its start to its first answer and on."""
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    core = [shutil.which("taskset") or "taskset", "-c", "0"]
    started = time.perf_counter()
    with subprocess.Popen(
        [*core, *command], cwd=folder, env=os.environ | quiet, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            while not answers(port, key):
                if process.poll() is not None or time.perf_counter() - started > 120:
                    raise RuntimeError(f"{command[0]} does not serve")
                time.sleep(0.02)
            yield Gateway(port, key, process, time.perf_counter() - started)
        finally:
            process.send_signal(signal.SIGTERM)


def answers(port: int, key: str) -> bool:
    """Say whether a gateway answers a question."""
    body = {"model": "mock", "messages": [{"role": "user", "content": "hi"}]}
    request = Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urlopen(request, timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))


def _stat(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
