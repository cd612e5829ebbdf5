"""vLLM as an engine: for GPUs, in an environment of its own, because of what it needs.

It runs as a managed process and is asked with token ids through its ``/v1/completions``. It reads
safetensors in a folder as Hugging Face lays it out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from inhouse.core.protocols import NEW_TOKENS
from inhouse.models.counts import Counts
from inhouse.models.engine import Capabilities, Request, Stats, Step
from inhouse.models.managed import Launch, ManagedServer, find_program, refusal
from inhouse.models.weight_files import read_json

PROGRAM, VARIABLE = "vllm", "INHOUSE_VLLM"
HOW_TO_GET = (
    "Install it into an environment of its own (python -m venv vllm; vllm/bin/pip install vllm), "
    f"and put vllm/bin on PATH or the path of its program into {VARIABLE}."
)
NAME = "model"
TOP_LOGPROBS = 20
CAPABLE = Capabilities(
    frozenset({"json_schema", "regex", "grammar"}),
    logprobs=True,
    penalties=True,
    logit_bias=True,
    prefix_cache=True,
)
KINDS = {"json_schema": "json", "regex": "regex", "grammar": "grammar"}
QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
"""Nothing leaves the house."""
START_SECONDS = 1800.0
"""Large weights are read, and kernels compiled, before it is ready."""


class VllmEngine:
    """Runs a pulled model."""

    def __init__(self, folder: Path, *, exact: bool = False) -> None:
        """Start the server and wait until it has loaded the model.

        Args:
            folder: where ``model*.safetensors``, ``config.json`` and ``tokenizer.json`` lie.
            exact: compute in float32, for proofs; slower.

        Raises:
            NotSetUp: there is no vLLM here, or it cannot load the model.
        """
        program = find_program(PROGRAM, VARIABLE, HOW_TO_GET)
        self._capacity = int(read_json(folder / "config.json")["max_position_embeddings"])
        self._counts = Counts()
        command = [program, "serve", str(folder), "--served-model-name", NAME]
        command += ["--max-logprobs", str(TOP_LOGPROBS), "--logprobs-mode", "raw_logprobs"]
        command += ["--max-model-len", str(self._capacity), "--generation-config", "vllm"]
        command += ["--dtype", "float32" if exact else "auto"]
        command += ["--disable-log-stats", "--disable-uvicorn-access-log"]
        self._server = ManagedServer(
            Launch(PROGRAM, command, "VLLM_API_KEY", "/v1/models", QUIET, START_SECONDS)
        )

    @property
    def capacity(self) -> int:
        """Tokens that prompt and answer may have together."""
        return self._capacity

    @property
    def capabilities(self) -> Capabilities:
        """What requests may ask for: everything."""
        return CAPABLE

    async def submit(self, request: Request) -> AsyncGenerator[Step, None]:
        """Stream the tokens of the answer, the stop token included; closing it aborts.

        Raises:
            EngineStopped: the server has ended.
            BadInput: it cannot use the constraint.
        """
        with self._counts.request(len(request.prompt)) as count:
            events = self._server.stream("/v1/completions", _body(request))
            async with aclosing(events) as found:
                async for event in found:
                    if "error" in event:
                        raise refusal(event)
                    for step in _steps(event, request.sampling.logprobs or 0):
                        count()
                        yield step

    async def score(self, tokens: Sequence[int], top: int) -> AsyncGenerator[Step, None]:
        """Stream the tokens with their log-probabilities and the likeliest in their place.

        Raises:
            EngineStopped: the server has ended.
        """
        body = {"model": NAME, "prompt": list(tokens), "max_tokens": 1, "prompt_logprobs": top}
        with self._counts.request(len(tokens)):
            async with self._server.session() as session:
                said = await session.ask("/v1/completions", body)
            rows = said["choices"][0]["prompt_logprobs"]
            yield Step(tokens[0])
            for token, row in zip(tokens[1:], rows[1:], strict=True):
                yield _scored(token, row, top)

    def stats(self) -> Stats:
        """Say what it does and has done."""
        return self._counts.stats()

    async def close(self) -> None:
        """Stop the server; running answers fail."""
        await asyncio.to_thread(self._server.stop)


def _body(request: Request) -> dict[str, Any]:
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": NAME,
        "prompt": list(request.prompt),
        "stream": True,
        "return_token_ids": True,
        "return_tokens_as_token_ids": True,
        "max_tokens": sampling.max_tokens or NEW_TOKENS,
        "stop_token_ids": sorted(request.stops),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k or 0,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty or 1.0,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
    }
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.logprobs is not None:
        body["logprobs"] = sampling.logprobs
    if sampling.logit_bias:
        body["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias}
    if sampling.constraint:
        body["structured_outputs"] = {KINDS[sampling.constraint.kind]: sampling.constraint.text}
    return body


def _steps(event: dict[str, Any], top: int) -> Iterator[Step]:
    """Yield the new tokens of an event."""
    for choice in event["choices"]:
        tokens, said = choice.get("token_ids") or [], choice.get("logprobs")
        if said is None:
            yield from map(Step, tokens)
            continue
        rows = zip(tokens, said["token_logprobs"], said["top_logprobs"], strict=True)
        for token, logprob, others in rows:
            likeliest = {int(name.partition(":")[2]): each for name, each in (others or {}).items()}
            yield Step(token, logprob, _ranked(likeliest, top))


def _scored(token: int, row: dict[str, dict[str, Any]], top: int) -> Step:
    said = {int(name): each["logprob"] for name, each in row.items()}
    return Step(token, said[token], _ranked(said, top))


def _ranked(said: dict[int, float], top: int) -> tuple[tuple[int, float], ...]:
    """Return the likeliest; the chosen token is told as well where it is none of them."""
    ranked = sorted(said.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(ranked[:top])
