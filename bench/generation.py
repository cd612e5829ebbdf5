"""Generation: tokens a second over HTTP, beside llama-server and transformers.

What is equal and what is not:

- One machine, as many threads as it has cores for each, one server asked at a time. Our server
  checks a key and writes every request and answer down; llama-server is asked without a key and
  keeps nothing. Both stream over HTTP to the same clients, which count by the server's own usage.
- The models: SmolLM2-135M-Instruct, and a Llama of 1.07 billion random weights. Both engines hold
  the same weights in 8 bits: int8 by row here, Q8_0 (a scale for each 32) there.
- llama-server runs with a slot for each client, a cache for each slot and flash attention; its
  batches are as it comes.
- Every prompt is new, so that no cache knows its beginning, and has 16 tokens. Time to the first
  token is that of an answer of one token to a prompt of 1,000.
- A client that leaves is one of two; what is timed ends when the other is alone in a step, which
  our server is asked for again and again: what that takes counts as well.
- transformers computes in bfloat16 where the processor has it, else in float32, which is faster
  then; all prompts are one batch, in process, without HTTP.
- The ceiling is what the memory gives when all cores read; each token reads all weights once.

``BENCH_QUICK=1`` measures one round of short answers instead of five, to see that all of it runs.
What computes has the cores that the bench may use: on a busy machine, put ``taskset -c 0`` before.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np

from bench.gateway import free_port
from bench.harness import big_model
from bench.harness.gguf_files import rewrite, write_llama
from bench.harness.leaving import Watched
from bench.harness.llama_server import TITLE, llama_server
from bench.harness.measure import Figure, Goal, Measure, Round, Row, interleave
from bench.harness.peer import PEERS, SENTENCE_TRANSFORMERS, WORKERS, program
from inhouse.core.artifact import Ref
from inhouse.core.protocols import Sampling
from inhouse.models.load import load_language
from inhouse.models.openvino.cpu import cpu
from inhouse.models.weights import open_weights
from inhouse.project.project import Project

HERE = Path(sys.executable).parents[1]
FOLDER = PEERS / "generation"
PROJECT = """\
project: generation
groups: {operator: [bench]}
models:
  small: {from: smollm2-135m-instruct}
  big: {from: file:./weights}
endpoints:
  small: {model: models/small}
  big: {model: models/big}
"""
QUICK = bool(os.environ.get("BENCH_QUICK"))
ROUNDS, SHORTER = (1, 8) if QUICK else (5, 1)
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WORDS = 49152
PROMPT, LONG_PROMPT = 16, 1000
LLAMA = ("--parallel", "16", "--ctx-size", str(16 * 1536), "--no-kv-unified", "--flash-attn", "on")


@dataclass(frozen=True, slots=True)
class Subject:
    """A model: its endpoint, title, new tokens of an answer, and goals by clients."""

    name: str
    title: str
    tokens: int
    goals: dict[int, float]
    first: float | None


SUBJECTS = (
    Subject("small", "SmolLM2-135M", 128 // SHORTER, {}, None),
    Subject("big", "1.07B", 32 // SHORTER, {1: 0.6, 8: 1.0, 16: 1.5}, 0.6),
)


class Clients:
    """The clients, in a process of their own; each prompt that they send is a new one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._random = np.random.default_rng(5)

    def prompts(self, count: int, length: int) -> list[list[int]]:
        """Return prompts that nobody has seen."""
        found: list[list[int]] = self._random.integers(300, WORDS, (count, length)).tolist()
        return found

    def ask(self, server: Server, count: int, tokens: int, length: int = PROMPT) -> float:
        """Ask `count` times at once; return tokens a second, or the seconds of a single token."""
        bodies = [
            {"model": server.model, "prompt": prompt, "max_tokens": tokens, "temperature": 0,
             "stream": True, "stream_options": {"include_usage": True}, **server.extra}
            for prompt in self.prompts(count, length)
        ]  # fmt: skip
        wanted = {
            "port": server.port, "path": "/v1/completions", "bodies": bodies,
            "headers": {"Authorization": f"Bearer {server.key}"},
        }  # fmt: skip
        found = said(self._process, wanted)
        return float(found["seconds"] if tokens == 1 else found["tokens"] / found["seconds"])


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it is, what opens it, and what the model is called."""

    port: int
    key: str
    model: str
    extra: dict[str, Any]


def run() -> Iterator[Row]:
    """Measure both models beside llama-server, the big one beside transformers as well."""
    weights = prepared()
    peer = llama_server()
    with ExitStack() as opened:
        command = [sys.executable, str(WORKERS / "tokens.py")]
        clients = Clients(opened.enter_context(piped(command)))
        port, key = opened.enter_context(our_server())
        for subject in SUBJECTS:
            ours = Server(port, key, subject.name, {})
            clients.ask(ours, 1, 2)  # which loads the model
            with ExitStack() as beside:
                other = None
                if peer:
                    file = gguf(subject, weights)
                    other = beside.enter_context(llama(peer, file))
                yield from beside_llama(subject, clients, ours, other)
            if subject.name == "small":
                yield left_behind(port, key)
        big = Server(port, key, "big", {})
        yield from beside_transformers(clients, big)
        yield beside_itself(clients, big)


def beside_llama(
    subject: Subject, clients: Clients, ours: Server, peer: Server | None
) -> Iterator[Row]:
    """Measure one, some and many clients, and a long prompt."""
    for count in (1, 8, 16):
        samples = interleave(
            asking(clients, ours, count, subject.tokens),
            asking(clients, peer, count, subject.tokens) if peer else None,
            rounds=ROUNDS,
        )
        goal = subject.goals.get(count)
        name = f"{subject.title}: {count} client{'s' if count > 1 else ''}"
        wanted = Measure(name, "tokens/s", Goal("ratio", goal) if goal else None, more=True)
        yield Row.of(wanted, samples, TITLE)
        if count == 1 and subject.goals:
            yield ceiling(subject, samples.ours)
    samples = interleave(
        asking(clients, ours, 1, 1, LONG_PROMPT),
        asking(clients, peer, 1, 1, LONG_PROMPT) if peer else None,
        rounds=ROUNDS,
    )
    first = Goal("ratio", 1 / subject.first) if subject.first else None
    name = f"{subject.title}: first token after 1,000"
    yield Row.of(Measure(name, "s", first), samples, TITLE)


def left_behind(port: int, key: str) -> Row:
    """Measure how long the model goes on for a client that has left."""
    leaving = partial(Watched(port, key).seconds_until_free, "small")
    samples = interleave(leaving, None, rounds=ROUNDS, scale=1e3)
    name = "SmolLM2-135M: a place freed after its client left"
    return Row.of(Measure(name, "ms", Goal("ours", 100)), samples)


def beside_transformers(clients: Clients, ours: Server) -> Iterator[Row]:
    """Measure one and many clients."""
    numbers = "bfloat16" if "BF16" in cpu().formats else "float32"
    with ExitStack() as opened:
        process = None
        if SENTENCE_TRANSFORMERS.ready():
            python = str(program(SENTENCE_TRANSFORMERS.folder, "python"))
            script = str(WORKERS / "transformers_generate.py")
            command = [python, script, str(FOLDER / "weights"), str(CORES), numbers]
            process = opened.enter_context(piped(command))
        tokens = SUBJECTS[1].tokens
        for count in (1, 16):

            def theirs(count: int = count) -> float:
                assert process
                prompts = clients.prompts(count, PROMPT)
                seconds = said(process, {"prompts": prompts, "tokens": tokens})
                return count * tokens / float(seconds)

            mine = asking(clients, ours, count, tokens)
            samples = interleave(mine, theirs if process else None, rounds=ROUNDS)
            name = f"1.07B, beside transformers: {count} client{'s' if count > 1 else ''}"
            wanted = Measure(name, "tokens/s", Goal("ratio", 2), more=True)
            yield Row.of(wanted, samples, f"transformers 5.23.0, {numbers}, in process")


def beside_itself(clients: Clients, ours: Server) -> Row:
    """Measure the same engine without a server around it."""
    model = load_language(built("big"), name="big")
    tokens = SUBJECTS[1].tokens
    asked = Sampling(max_tokens=tokens)

    async def one(prompt: Sequence[int]) -> int:
        last = [piece async for piece in model.complete(prompt, asked)][-1]
        assert last.usage
        return last.usage.completion_tokens

    with asyncio.Runner() as runner:

        def inside() -> float:
            async def everybody() -> int:
                return sum(await asyncio.gather(*map(one, clients.prompts(16, PROMPT))))

            started = time.perf_counter()
            return runner.run(everybody()) / (time.perf_counter() - started)

        samples = interleave(asking(clients, ours, 16, tokens), inside, rounds=ROUNDS)
        runner.run(model.close())
    wanted = Measure("1.07B: 16 clients over HTTP", "tokens/s", Goal("ratio", 0.9), more=True)
    return Row.of(wanted, samples, "the same engine in process")


def ceiling(subject: Subject, rates: Sequence[float]) -> Row:
    """Return how much of what the memory gives one stream uses."""
    size = (built(subject.name) / "openvino_model.bin").stat().st_size
    most = bandwidth()
    shares = [100 * rate * size / most for rate in rates]
    goal = 35
    return Row(
        name=f"{subject.title}: of the ceiling of {most / 1e9:.0f} GB/s, 1 client",
        unit="%",
        ours=Figure.of(shares),
        peer_name=None,
        peer=None,
        ratio=None,
        target=f"≥ {goal} %",
        ok=Figure.of(shares).value >= goal,
    )


def bandwidth() -> float:
    """Return the bytes a second that all cores together read from memory, at best."""
    parts = [np.ones(2**26, np.float32) for _ in range(CORES)]
    best = 0.0
    with ThreadPoolExecutor(CORES) as pool:
        for _ in range(8):
            started = time.perf_counter()
            list(pool.map(np.max, parts))
            best = max(best, sum(part.nbytes for part in parts) / (time.perf_counter() - started))
    return best


def asking(
    clients: Clients, server: Server, count: int, tokens: int, length: int = PROMPT
) -> Round:
    """Return a round that asks a server."""
    return lambda: clients.ask(server, count, tokens, length)


def prepared() -> Path:
    """Make the project and the big model, once; return the pulled weights of the small one."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / "inhouse.yaml"
    file.write_text(PROJECT, encoding="utf-8")
    if not (FOLDER / "weights").is_dir():
        print("making a model of 1.07 billion weights", file=sys.stderr)
        alone = FOLDER / "small.yaml"
        alone.write_text(
            "project: generation\nmodels: {small: {from: smollm2-135m-instruct}}\n", "utf-8"
        )
        big_model.make(FOLDER / "weights", made(alone, "models/small"))
    return made(file, "models/small")


def made(file: Path, ref: str) -> Path:
    """Return the folder of an artifact of a project that has run."""
    project = Project(file, actor="bench")
    try:
        project.run()
        return project.catalog.load(Ref.parse(ref)).folder
    finally:
        project.close()


def built(name: str) -> Path:
    """Return the folder of a model as OpenVINO runs it."""
    return made(FOLDER / "inhouse.yaml", f"models/{name}/openvino-int8")


def gguf(subject: Subject, words: Path) -> Path:
    """Return a model's weights as a GGUF file of 8 bits, writing it once."""
    file = FOLDER / f"{subject.name}.gguf"
    if not file.is_file():
        part, source = file.with_suffix(".part"), words / "model.gguf"
        if subject.name == "small":
            rewrite(source, part, "Q8_0")
        else:
            weights = open_weights(FOLDER / "weights")
            write_llama(source, part, "Q8_0", weights.take, big_model.CONFIG)
        part.rename(file)
    return file


@contextmanager
def our_server() -> Iterator[tuple[int, str]]:
    """Serve both models with a key, recording what is asked."""
    inhouse = str(program(HERE, "inhouse"))
    where = ("--project", str(FOLDER / "inhouse.yaml"), "--json")
    made_key = subprocess.run(
        [inhouse, "keys", "create", "--actor", "bench", *where],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    port = free_port()
    command = [inhouse, "serve", "--port", str(port), *where]
    with running(command, f"http://127.0.0.1:{port}/healthz"):
        yield port, json.loads(made_key.stdout)["key"]


@contextmanager
def llama(peer: Path, file: Path) -> Iterator[Server]:
    """Serve a GGUF file with llama-server."""
    port = free_port()
    command = [str(peer), "--model", str(file), "--threads", str(CORES), *LLAMA]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with running(command, f"http://127.0.0.1:{port}/health"):
        yield Server(port, "none", "model", {"ignore_eos": True})


@contextmanager
def running(command: Sequence[str], health: str) -> Iterator[None]:
    """Run a server from when it says that it is well until the block ends.

    Raises:
        RuntimeError: it never does.
    """
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            for _ in itertools.count():
                try:
                    if urlopen(health, timeout=5).status == 200:
                        break
                except (URLError, OSError):
                    time.sleep(0.1)
                if process.poll() is not None:
                    raise RuntimeError(f"{command[0]} does not serve")
            yield
        finally:
            process.terminate()


@contextmanager
def piped(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a program that answers a line with a line."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def said(process: subprocess.Popen[str], wanted: object) -> Any:  # noqa: ANN401
    """Return what a program answers to a line.

    Raises:
        RuntimeError: it ended.
    """
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps(wanted) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("a program of the bench ended")
    return json.loads(line)
