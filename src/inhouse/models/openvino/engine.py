"""The CPU engine: OpenVINO's continuous batching in a worker process, seen as async streams.

Many conversations share each step of the model. The process keeps the server responsive, and
closing it gives all memory back. This module imports no OpenVINO itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import queue
import secrets
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import orjson

from inhouse.core.errors import BadInput, EngineStopped, NotSetUp
from inhouse.core.protocols import NEW_TOKENS, ConstraintKind
from inhouse.models.counts import Counts
from inhouse.models.engine import Capabilities, Request, Stats, Step

Stream = asyncio.Queue[tuple[list[list[Any]], str]]
"""New tokens as the fields of steps, and how the answer stands after them: running, finished, lost
when the worker could not go on, or why it is refused."""

CONSTRAINTS: frozenset[ConstraintKind] = frozenset({"json_schema", "regex", "grammar"})

STOP_SECONDS = 5
START_SECONDS = 600.0
"""How long the worker may load a model before it is given up."""

log = logging.getLogger(__name__)


class OpenVINOEngine:
    """Runs a model that `build` made."""

    def __init__(
        self, folder: Path, *, exact: bool = False, threads: int = 0, cache_bytes: int = 2**31
    ) -> None:
        """Start the worker and wait until it has loaded the model.

        Args:
            folder: where ``openvino_model.xml`` and ``config.json`` lie.
            exact: compute in float32 throughout, for proofs; slower.
            threads: CPU threads, 0 for as many as there are.
            cache_bytes: memory for the tokens of all running conversations.

        Raises:
            NotSetUp: the model cannot be loaded; the log says why.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "inhouse.models.openvino.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._streams: dict[int, tuple[asyncio.AbstractEventLoop, Stream]] = {}
        self._counts = Counts()
        self._numbers = itertools.count()
        self._outbox: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._write, self._read)
        ]
        settings: dict[str, Any] = {"folder": str(folder), "exact": exact, "threads": threads}
        self._send(settings | {"cache_bytes": cache_bytes})
        self._threads[0].start()
        greeting = self._greeting()
        self._threads[1].start()
        if "error" in greeting:
            self._stop()
            log.error("The model in %s cannot be loaded: %s", folder, greeting["error"])
            raise NotSetUp(
                "The model cannot be loaded.",
                "Build it again with this version of the product; the log says more.",
            )
        self._capacity: int = greeting["capacity"]
        self._constraints = CONSTRAINTS if greeting["constraints"] else frozenset()

    def _greeting(self) -> dict[str, Any]:
        """Return what the worker says when it has loaded the model; one that hangs is ended."""
        late = threading.Timer(START_SECONDS, self._process.kill)
        late.start()
        try:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
        finally:
            late.cancel()
        found: dict[str, Any] = orjson.loads(line) if line else {"error": "its process ended"}
        return found

    @property
    def capacity(self) -> int:
        """Tokens that prompt and answer may have together."""
        return self._capacity

    @property
    def capabilities(self) -> Capabilities:
        """What requests may ask for; constraints if the tokens could be read when it was built."""
        return Capabilities(
            self._constraints, logprobs=True, penalties=True, logit_bias=False, prefix_cache=True
        )

    def submit(self, request: Request) -> AsyncGenerator[Step, None]:
        """Stream the tokens of the answer, the stop token included; closing it aborts.

        Raises:
            EngineStopped: the worker has ended.
            BadInput: it cannot use the sampling settings or the constraint.
        """
        return self._stream(_message(request), len(request.prompt))

    def score(self, tokens: Sequence[int], top: int) -> AsyncGenerator[Step, None]:
        """Stream the tokens with their log-probabilities and the likeliest in their place.

        Raises:
            EngineStopped: the worker has ended.
        """
        return self._stream({"score": list(tokens), "top": top}, len(tokens))

    def score_endings(
        self, beginning: Sequence[int], endings: Sequence[Sequence[int]]
    ) -> AsyncGenerator[Step, None]:
        """Stream the tokens of one ending after the other with their log-probabilities.

        Each stands behind the beginning, which has a token at least, as each ending has.

        Raises:
            EngineStopped: the worker has ended.
        """
        message = {"beginning": list(beginning), "endings": [list(ending) for ending in endings]}
        return self._stream(message, len(beginning) + sum(map(len, endings)))

    def stats(self) -> Stats:
        """Say what it does and has done."""
        return self._counts.stats()

    async def _stream(self, message: dict[str, Any], read: int) -> AsyncGenerator[Step, None]:
        number, stream = next(self._numbers), Stream()
        self._streams[number] = (asyncio.get_running_loop(), stream)
        self._send({"id": number} | message)
        state = "running"
        try:
            with self._counts.request(read) as count:
                while state == "running":
                    if self._process.poll() is not None:
                        raise EngineStopped
                    fields, state = await stream.get()
                    for token in fields:
                        count()
                        yield Step(*token)
            if state == "lost":
                raise EngineStopped
            if state != "finished":
                raise BadInput(state, "Mend it, or leave it out.")
        finally:
            del self._streams[number]
            if state == "running":
                self._send({"id": number})

    async def close(self) -> None:
        """Stop the worker; running answers fail."""
        await asyncio.to_thread(self._stop)

    def _send(self, message: dict[str, Any]) -> None:
        self._outbox.put(message)

    def _write(self) -> None:
        """Pass messages on; in a thread, because the pipe may be full while a step runs."""
        pipe = self._process.stdin
        assert pipe is not None
        try:
            while (message := self._outbox.get()) is not None:
                pipe.write(orjson.dumps(message) + b"\n")
                pipe.flush()
            pipe.close()
        except OSError:  # the worker has ended, which the reader notices
            return

    def _read(self) -> None:
        """Hand tokens to the streams that wait for them, until the worker ends."""
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                event = orjson.loads(line)
                self._counts.cache, self._counts.batch = event["cache"], event["batch"]
                self._counts.cached = event["cached"]
                for number, tokens, state in event["tokens"]:
                    self._hand_over(number, tokens, state)
        except orjson.JSONDecodeError:  # it was killed in the middle of a line
            self._process.kill()
        self._process.wait()
        for number in list(self._streams):
            self._hand_over(number, [], "lost")

    def _hand_over(self, number: int, tokens: list[list[Any]], state: str) -> None:
        if waiting := self._streams.get(number):
            loop, stream = waiting
            with contextlib.suppress(RuntimeError):  # its event loop is closed
                loop.call_soon_threadsafe(stream.put_nowait, (tokens, state))

    def _stop(self) -> None:
        self._outbox.put(None)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        for thread in self._threads:
            thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what it never read is lost with it
                    pipe.close()


def _message(request: Request) -> dict[str, Any]:
    sampling, constraint = request.sampling, request.sampling.constraint
    return {
        "prompt": list(request.prompt),
        "max_tokens": sampling.max_tokens or NEW_TOKENS,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty or 1.0,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "logprobs": sampling.logprobs,
        "constraint": (constraint.kind, constraint.text) if constraint else None,
        "seed": secrets.randbits(32) if sampling.seed is None else sampling.seed,
        "stops": sorted(request.stops),
    }
