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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import openvino as ov
import openvino_genai as genai
import orjson

from inhouse.models.openvino.grammar import FOLDER, Trial, structured
from inhouse.models.openvino.prefixes import Prefixes
from inhouse.models.openvino.scoring import Alternatives, Branching, Scored, Scorer, Scoring

BLOCK_TOKENS = 32
BATCH_TOKENS = 256
Moved = tuple[int, Sequence[Scored | tuple[int]], str]
"""A request, its new tokens, and how it stands; anything but STATES is why it is refused."""
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
    _say(answers, {"capacity": worker.capacity, "constraints": worker.constrains})
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
        self._load(folder, scheduler, properties, config.get("vocab_size"))
        self._prefixes, self._cached = Prefixes(blocks, BLOCK_TOKENS), 0
        self._open: dict[int, _Answer] = {}
        self._scorings: dict[int, Scoring | Branching] = {}
        self._refused: dict[int, str] = {}

    def _load(
        self,
        folder: Path,
        scheduler: genai.SchedulerConfig,
        properties: dict[str, Any],
        words: int | None,
    ) -> None:
        self._trial: Trial | None = None
        if words and (folder / FOLDER).is_dir():
            tokenizer = genai.Tokenizer(str(folder / FOLDER))
            self._trial = Trial(tokenizer, words)
            self._pipeline = genai.ContinuousBatchingPipeline(
                str(folder), tokenizer, scheduler, "CPU", **properties
            )
        else:
            self._pipeline = genai.ContinuousBatchingPipeline(
                str(folder), scheduler, "CPU", properties
            )
        self._scorer: Callable[[], Scorer] = cache(lambda: Scorer(folder, properties))

    @property
    def constrains(self) -> bool:
        """Whether answers can be kept to a constraint."""
        return self._trial is not None

    def serve(self, inbox: queue.SimpleQueue[dict[str, Any] | None]) -> Iterator[dict[str, Any]]:
        """Yield one event per step that brought tokens, until the inbox yields None."""
        while True:
            while not (self._open or self._scorings or self._refused) or not inbox.empty():
                message = inbox.get()
                if message is None:
                    return
                self._take(message)
            if self._open:
                self._pipeline.step()
            if tokens := [*self._refusals(), *self._read(), *self._score()]:
                now = self._pipeline.get_metrics()
                cache, batch = now.cache_usage / 100, now.scheduled_requests
                yield {"tokens": tokens, "cache": cache, "batch": batch, "cached": self._cached}

    def _take(self, message: dict[str, Any]) -> None:
        number = message["id"]
        if "endings" in message:
            reading, beginning = self._scorer().reading(), message["beginning"]
            self._scorings[number] = Branching(reading, beginning, message["endings"])
        elif "score" in message:
            reading = self._scorer().reading()
            self._scorings[number] = Scoring(reading, message["score"], message["top"])
        elif "prompt" in message:
            self._begin(number, message)
        elif self._scorings.pop(number, None):
            return
        elif answer := self._open.pop(number, None):
            self._prefixes.keep(answer.text)
            answer.handle.cancel()
            self._pipeline.step()  # frees its place; without it the next idle would keep it

    def _begin(self, number: int, message: dict[str, Any]) -> None:
        if constraint := message["constraint"]:
            assert self._trial is not None
            if fault := self._trial.fault(*constraint):
                self._refused[number] = f"The {constraint[0]} cannot be used: {fault.rstrip('.')}."
                return
        ids = ov.Tensor(np.array([message["prompt"]], np.int64))
        try:
            handle = self._pipeline.add_request(number, ids, _generation(message))
        except RuntimeError as error:  # one request's settings; the others go on
            sys.stderr.write(f"request refused: {error}\n")
            self._refused[number] = "The engine cannot use these sampling settings."
            return
        scored, top = message["logprobs"] is not None, message["logprobs"] or 0
        reader = Alternatives(self._scorer().reading(), message["prompt"], top) if top else None
        self._cached += self._prefixes.found(message["prompt"])
        self._open[number] = _Answer(handle, scored, reader, message["prompt"])

    def _refusals(self) -> Iterator[Moved]:
        yield from ((number, [], why) for number, why in self._refused.items())
        self._refused.clear()

    def _read(self) -> Iterator[Moved]:
        """Yield what is new of each answer that moved."""
        for number, answer in list(self._open.items()):
            begun = len(answer.text)
            tokens = answer.read()
            state = STATES.get(answer.handle.get_status(), "lost")
            if state != "running":
                del self._open[number]
            if state != "running" or (tokens and begun == answer.prompt_tokens):
                self._prefixes.keep(answer.text)
            if tokens or state != "running":
                yield number, tokens, state

    def _score(self) -> Iterator[Moved]:
        """Yield a part of each text that is being scored."""
        for number, scoring in list(self._scorings.items()):
            scores = scoring.some()
            if scoring.done:
                del self._scorings[number]
            yield number, scores, "finished" if scoring.done else "running"


@dataclass(slots=True)
class _Answer:
    """An answer that is being written, and who says what else was likely, if asked.

    Its `text` is the prompt and what has been written so far.
    """

    handle: Any
    scored: bool
    alternatives: Alternatives | None
    text: list[int]
    prompt_tokens: int = field(init=False)

    def __post_init__(self) -> None:
        """Take note of where the answer begins."""
        self.prompt_tokens = len(self.text)

    def read(self) -> list[Scored | tuple[int]]:
        """Return the tokens that have come since the last time."""
        found: list[Scored | tuple[int]] = []
        while self.handle.can_read():
            for output in self.handle.read().values():
                self.text += output.generated_ids
                pairs = zip(output.generated_ids, output.generated_log_probs, strict=True)
                found += [self._scored(*pair) for pair in pairs]
        return found

    def _scored(self, token: int, logprob: float) -> Scored | tuple[int]:
        if not self.scored:
            return (token,)
        return token, logprob, self.alternatives.before(token) if self.alternatives else []


def _generation(message: dict[str, Any]) -> genai.GenerationConfig:
    config = genai.GenerationConfig()
    config.max_new_tokens = message["max_tokens"]
    config.eos_token_id = message["stops"][0]
    config.stop_token_ids = set(message["stops"])
    config.repetition_penalty = message["repetition_penalty"]
    config.frequency_penalty = message["frequency_penalty"]
    config.presence_penalty = message["presence_penalty"]
    config.logprobs = 0 if message["logprobs"] is None else 1
    if message["constraint"]:
        config.structured_output_config = structured(*message["constraint"])
    config.do_sample = message["temperature"] > 0
    if config.do_sample:
        config.temperature = message["temperature"]
        config.top_p = message["top_p"]
        config.min_p = message["min_p"]
        if message["top_k"]:
            config.top_k = message["top_k"]
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
    try:
        main()
    except BrokenPipeError:
        os._exit(1)  # whoever asked was killed, and nobody is there to be told
