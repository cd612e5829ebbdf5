"""The CPU engine: OpenVINO's continuous batching in a worker process, seen as async streams.

Many conversations share each step of the model. The process keeps the server responsive, and
closing it gives all memory back. This module imports no OpenVINO itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
import secrets
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Literal

import orjson

from inhouse.core.errors import BadInput, EngineStopped
from inhouse.models.engine import Request

State = Literal["running", "finished", "refused", "lost"]
Stream = asyncio.Queue[tuple[list[int], State]]
"""New tokens, and how the answer stands after them; lost when the worker could not go on."""

STOP_SECONDS = 5


class OpenVINOEngine:
    """Runs a model that `build` made."""

    def __init__(
        self, folder: Path, *, exact: bool = False, threads: int = 0, cache_gib: float = 2.0
    ) -> None:
        """Start the worker and wait until it has loaded the model.

        Args:
            folder: where ``openvino_model.xml`` and ``config.json`` lie.
            exact: compute in float32 throughout, for proofs; slower.
            threads: CPU threads, 0 for as many as there are.
            cache_gib: memory for the tokens of all running conversations, in GiB.

        Raises:
            BadInput: the model cannot be loaded.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", "inhouse.models.openvino.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._streams: dict[int, tuple[asyncio.AbstractEventLoop, Stream]] = {}
        self._numbers = itertools.count()
        self._outbox: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._write, self._read)
        ]
        settings: dict[str, Any] = {"folder": str(folder), "exact": exact, "threads": threads}
        self._send(settings | {"cache_bytes": int(cache_gib * 2**30)})
        self._threads[0].start()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        greeting: dict[str, Any] = orjson.loads(line) if line else {"error": "its process ended"}
        self._threads[1].start()
        if "error" in greeting:
            self._stop()
            raise BadInput(
                f"The model in {folder} cannot be loaded: {greeting['error']}.",
                "Build it again with this version of the product.",
            )
        self._capacity: int = greeting["capacity"]

    @property
    def capacity(self) -> int:
        """Tokens that prompt and answer may have together."""
        return self._capacity

    async def submit(self, request: Request) -> AsyncGenerator[int, None]:
        """Stream the tokens of the answer, the stop token included; closing it aborts.

        Raises:
            EngineStopped: the worker has ended.
            BadInput: it cannot use the sampling settings.
        """
        number, stream = next(self._numbers), Stream()
        self._streams[number] = (asyncio.get_running_loop(), stream)
        self._send(_message(number, request))
        state: State = "running"
        try:
            while state == "running":
                if self._process.poll() is not None:
                    raise EngineStopped
                tokens, state = await stream.get()
                for token in tokens:
                    yield token
            if state == "lost":
                raise EngineStopped
            if state == "refused":
                raise BadInput(
                    "The engine cannot use these sampling settings.",
                    "Leave temperature, top_p and repetition_penalty at their defaults.",
                )
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
                for number, tokens, state in orjson.loads(line)["tokens"]:
                    self._hand_over(number, tokens, state)
        except orjson.JSONDecodeError:  # it was killed in the middle of a line
            self._process.kill()
        self._process.wait()
        for number in list(self._streams):
            self._hand_over(number, [], "lost")

    def _hand_over(self, number: int, tokens: list[int], state: State) -> None:
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


def _message(number: int, request: Request) -> dict[str, Any]:
    sampling = request.sampling
    return {
        "id": number,
        "prompt": list(request.prompt),
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "repetition_penalty": sampling.repetition_penalty or 1.0,
        "seed": secrets.randbits(32) if sampling.seed is None else sampling.seed,
        "stops": sorted(request.stops),
    }
