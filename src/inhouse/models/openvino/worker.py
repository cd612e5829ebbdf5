"""The process in which OpenVINO generates: requests come in as JSON lines, tokens go out.

A process of its own, because the pipeline keeps Python's interpreter lock through each step: in
the server's process, everybody would wait while a prompt is read. `engine` is the other end.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import openvino as ov
import openvino_genai as genai
import orjson

BLOCK_TOKENS = 32
BATCH_TOKENS = 256
STATES = {
    genai.GenerationStatus.RUNNING: "running",
    genai.GenerationStatus.FINISHED: "finished",
}
EXACT = {
    "INFERENCE_PRECISION_HINT": "f32",
    "KV_CACHE_PRECISION": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
}


def main() -> None:
    """Load the model that the first line asks for, then serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    lines, answers = sys.stdin.buffer, _private_output()
    settings = orjson.loads(lines.readline())
    try:
        worker = _Worker(settings)
    except (RuntimeError, OSError, ValueError) as error:
        _say(answers, {"error": str(error).strip().splitlines()[-1][:500]})
        return
    _say(answers, {"capacity": worker.capacity})
    for event in worker.serve(_inbox(lines)):
        _say(answers, event)


class _Worker:
    """The pipeline and the requests that it is working on."""

    def __init__(self, settings: dict[str, Any]) -> None:
        folder = Path(settings["folder"])
        config = orjson.loads((folder / "config.json").read_bytes())
        blocks = settings["cache_bytes"] // (BLOCK_TOKENS * _bytes_per_token(config, settings))
        self.capacity = min(config["max_tokens"], blocks * BLOCK_TOKENS)
        scheduler = genai.SchedulerConfig()
        scheduler.num_kv_blocks = blocks + 1
        scheduler.max_num_batched_tokens = BATCH_TOKENS
        scheduler.enable_prefix_caching = True
        properties: dict[str, Any] = {"ENABLE_CPU_PINNING": False}
        if settings["exact"]:
            properties |= EXACT
        if settings["threads"]:
            properties["INFERENCE_NUM_THREADS"] = settings["threads"]
        self._pipeline = genai.ContinuousBatchingPipeline(str(folder), scheduler, "CPU", properties)
        self._open: dict[int, Any] = {}
        self._refused: list[int] = []

    def serve(self, inbox: queue.SimpleQueue[dict[str, Any] | None]) -> Iterator[dict[str, Any]]:
        """Yield one event per step that brought tokens, until the inbox yields None."""
        while True:
            while not (self._open or self._refused) or not inbox.empty():
                message = inbox.get()
                if message is None:
                    return
                self._take(message)
            if self._open:
                self._pipeline.step()
            if tokens := self._read():
                yield {"tokens": tokens}

    def _take(self, message: dict[str, Any]) -> None:
        number = message["id"]
        if "prompt" in message:
            ids = ov.Tensor(np.array([message["prompt"]], np.int64))
            try:
                self._open[number] = self._pipeline.add_request(number, ids, _generation(message))
            except RuntimeError as error:  # one request's settings; the others go on
                sys.stderr.write(f"request refused: {error}\n")
                self._refused.append(number)
        elif handle := self._open.pop(number, None):
            handle.cancel()
            self._pipeline.step()  # frees its place; without it the next idle would keep it

    def _read(self) -> list[tuple[int, list[int], str]]:
        """Return (request, new tokens, how it stands) for all that moved."""
        moved: list[tuple[int, list[int], str]] = [(n, [], "refused") for n in self._refused]
        self._refused.clear()
        for number, handle in list(self._open.items()):
            tokens: list[int] = []
            while handle.can_read():
                for output in handle.read().values():
                    tokens += output.generated_ids
            state = STATES.get(handle.get_status(), "lost")
            if state != "running":
                del self._open[number]
            if tokens or state != "running":
                moved.append((number, tokens, state))
        return moved


def _generation(message: dict[str, Any]) -> genai.GenerationConfig:
    config = genai.GenerationConfig()
    config.max_new_tokens = message["max_tokens"]
    config.eos_token_id = message["stops"][0]
    config.stop_token_ids = set(message["stops"])
    config.repetition_penalty = message["repetition_penalty"]
    config.do_sample = message["temperature"] > 0
    if config.do_sample:
        config.temperature = message["temperature"]
        config.top_p = message["top_p"]
        config.rng_seed = message["seed"] % 2**32
    return config


def _bytes_per_token(config: dict[str, Any], settings: dict[str, Any]) -> int:
    """Return what one token takes in the cache: keys and values of all layers."""
    heads = config.get("num_key_value_heads") or config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    # u8 by default, with two float32 (scale and zero point) for each head.
    bytes_per_head = 4 * width if settings["exact"] else width + 8
    total: int = 2 * config["num_hidden_layers"] * heads * bytes_per_head
    return total


def _inbox(lines: BinaryIO) -> queue.SimpleQueue[dict[str, Any] | None]:
    """Return a queue that a thread fills from the input; None marks its end."""
    inbox: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def read() -> None:
        for line in lines:
            inbox.put(orjson.loads(line))
        inbox.put(None)

    threading.Thread(target=read, daemon=True).start()
    return inbox


def _private_output() -> BinaryIO:
    """Return the standard output, and send whatever else is printed to the standard error."""
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return own


def _say(answers: BinaryIO, event: dict[str, Any]) -> None:
    answers.write(orjson.dumps(event) + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
