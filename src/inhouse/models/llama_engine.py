"""llama.cpp's server as an engine: for GGUF files in the precision that they have.

It runs as a managed process and is asked token by token over its ``/completion``. It tells no
log-probabilities of a prompt, so a text is scored by forcing it out one token after the other.
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
from inhouse.models.managed import Launch, ManagedServer, Session, find_program, refusal
from inhouse.models.weight_files import read_json

PROGRAM, VARIABLE = "llama-server", "INHOUSE_LLAMA_SERVER"
HOW_TO_GET = (
    "Install llama.cpp (many systems have a package of that name, or build it from its source), "
    f"and put {PROGRAM} on PATH or its path into {VARIABLE}."
)
SLOTS = 16
SLOT_TOKENS = 8192
"""Conversations at once, and what each may have before there are fewer of them."""
FORCE = 1e4
"""Added to a logit, it leaves no other choice."""
CAPABLE = Capabilities(
    frozenset({"json_schema", "grammar"}), logprobs=True, logit_bias=True, prefix_cache=True
)
CACHED = "timings/cache_n"
"""In its last event: how many tokens of the prompt were found in the cache."""
SAMPLERS = ("penalties", "temperature", "top_k", "min_p", "top_p")


class LlamaEngine:
    """Runs the GGUF file of a pulled model."""

    def __init__(
        self,
        folder: Path,
        spelled: Sequence[bytes],
        *,
        exact: bool = False,
        threads: int = 0,
        cache_bytes: int = 2**31,
    ) -> None:
        """Start the server and wait until it has loaded the model.

        Args:
            folder: where ``model.gguf`` and ``config.json`` lie.
            spelled: the bytes that each token writes, by number; nothing for a special token.
            exact: keep the cache in float32, for proofs; slower.
            threads: CPU threads, 0 for what the server thinks best.
            cache_bytes: memory for the tokens of all running conversations.

        Raises:
            NotSetUp: there is no llama-server here, or it cannot load the model.
        """
        program = find_program(PROGRAM, VARIABLE, HOW_TO_GET)
        config = read_json(folder / "config.json")
        context = int(config["max_position_embeddings"])
        tokens = max(cache_bytes // _bytes_per_token(config, exact=exact), 1)
        slots = max(1, min(SLOTS, tokens // min(context, SLOT_TOKENS)))
        self._capacity = min(context, tokens // slots)
        self._cache_tokens = slots * self._capacity
        self._spelled = spelled
        self._held = 0
        self._counts = Counts()
        command = [program, "--model", str(folder / "model.gguf"), "--parallel", str(slots)]
        command += ["--ctx-size", str(self._cache_tokens), "--no-kv-unified", "--cache-ram", "0"]
        command += ["--no-webui", "--offline"]
        if exact:
            command += ["--cache-type-k", "f32", "--cache-type-v", "f32", "--flash-attn", "off"]
        if threads:
            command += ["--threads", str(threads)]
        self._server = ManagedServer(Launch(PROGRAM, command, "LLAMA_API_KEY", "/props"))

    @property
    def capacity(self) -> int:
        """Tokens that prompt and answer may have together."""
        return self._capacity

    @property
    def capabilities(self) -> Capabilities:
        """What requests may ask for.

        Its frequency and presence penalties count the prompt as well, which ours do not.
        """
        return CAPABLE

    async def submit(self, request: Request) -> AsyncGenerator[Step, None]:
        """Stream the tokens of the answer, the stop token included; closing it aborts.

        Raises:
            EngineStopped: the server has ended.
            BadInput: it cannot use the constraint.
        """
        answer, read = _Answer(request, self._spelled), len(request.prompt)
        self._held += read
        written = 0
        try:
            with self._counts.request(read) as count:
                events = self._server.stream("/completion", _body(request, self._capacity))
                async with aclosing(events) as found:
                    async for event in found:
                        self._counts.cached = (self._counts.cached or 0) + event.get(CACHED, 0)
                        for step in answer.steps(event):
                            written += 1
                            self._held += 1
                            count()
                            yield await self._scored(step, answer)
        finally:
            self._held -= read + written

    async def score(self, tokens: Sequence[int], top: int) -> AsyncGenerator[Step, None]:
        """Stream the tokens with their log-probabilities and the likeliest in their place.

        Raises:
            EngineStopped: the server has ended.
        """
        with self._counts.request(len(tokens)):
            yield Step(tokens[0])
            async with self._server.session() as session:
                for place in range(1, len(tokens)):
                    yield await self._forced(session, tokens[:place], tokens[place], top)

    def stats(self) -> Stats:
        """Say what it does and has done."""
        self._counts.cache = min(1.0, self._held / self._cache_tokens)
        return self._counts.stats()

    async def close(self) -> None:
        """Stop the server; running answers fail."""
        await asyncio.to_thread(self._server.stop)

    async def _scored(self, step: Step, answer: _Answer) -> Step:
        """Return the step with its log-probability, if that is wanted and was not told."""
        wanted = answer.logprobs
        if wanted is None or step.logprob is not None:
            return step
        async with self._server.session() as session:
            return await self._forced(session, answer.tokens[:-1], step.token, wanted)

    async def _forced(self, session: Session, before: Sequence[int], token: int, top: int) -> Step:
        """Return what the model thinks of a token after others.

        The server keeps silent on a token that ends within a character: another one is forced
        then, and ours looked up among all that it could have been.
        """
        whole = _is_text(_written(self._spelled, token))
        forced = token if whole else next(i for i, raw in enumerate(self._spelled) if raw == b"a")
        body = {
            "prompt": list(before),
            "n_predict": 1,
            "temperature": 0,
            "logit_bias": [[forced, FORCE]],
            "n_probs": max(top, 1) if whole else len(self._spelled),
            "response_fields": ["completion_probabilities"],
        }
        said = (await session.ask("/completion", body))["completion_probabilities"][0]
        likeliest = [(each["id"], each["logprob"]) for each in said["top_logprobs"]]
        logprob = said["logprob"] if whole else dict(likeliest)[token]
        return Step(token, logprob, tuple(likeliest[:top]))


class _Answer:
    """Makes steps of the events of one answer.

    The server says nothing of a token that ends within a character, but for the number of tokens;
    the text that comes when the character is whole tells which it must have been. Of characters
    that are never whole nothing is told.
    """

    def __init__(self, request: Request, spelled: Sequence[bytes]) -> None:
        self.tokens = list(request.prompt)
        self.logprobs = request.sampling.logprobs
        self._stops = request.stops
        self._spelled = spelled
        self._told = 0
        self._silent: Step | None = None

    def steps(self, event: dict[str, Any]) -> Iterator[Step]:
        """Yield the new tokens of an event.

        An end that the server knows and we do not is told as one of ours: the token that is the
        end writes nothing, so it can wait for the event that says so.

        Raises:
            BadInput: the server could not go on.
        """
        if "error" in event:
            raise refusal(event)
        ended = event.get("stop_type") == "eos"
        if self._silent and not (event.get("stop") and ended):
            yield self._said(self._silent)
        elif ended and (not self._told or self.tokens[-1] not in self._stops):
            yield self._said(Step(min(self._stops)))
        self._silent = None
        for token in event.get("tokens", ()):
            yield from map(self._said, self._missed(token, event))
            self._told = event["tokens_predicted"]
            step = self._step(token, event)
            if token in self._stops or _written(self._spelled, token):
                yield self._said(step)
            else:
                self._silent = step

    def _said(self, step: Step) -> Step:
        self.tokens.append(step.token)
        return step

    def _missed(self, token: int, event: dict[str, Any]) -> Iterator[Step]:
        count = event["tokens_predicted"] - self._told - 1
        if count > 0:
            text = event["content"].encode().removesuffix(_written(self._spelled, token))
            yield from map(Step, _spelling(text, count, self._spelled) or ())

    def _step(self, token: int, event: dict[str, Any]) -> Step:
        if self.logprobs is None:
            return Step(token)
        said = event["completion_probabilities"][0]
        top = tuple((each["id"], each["logprob"]) for each in said["top_logprobs"])
        return Step(token, said["logprob"], top[: self.logprobs])


def _body(request: Request, capacity: int) -> dict[str, Any]:
    sampling = request.sampling
    body: dict[str, Any] = {
        "prompt": list(request.prompt),
        "stream": True,
        "n_predict": sampling.max_tokens or NEW_TOKENS,
        "samplers": SAMPLERS,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k or 0,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "repeat_penalty": sampling.repetition_penalty or 1.0,
        "repeat_last_n": capacity,
        "response_fields": ["stop", "stop_type", CACHED],
    }
    if sampling.seed is not None:
        body["seed"] = sampling.seed % (2**31 - 1)  # one of its numbers means: any
    if sampling.logprobs is not None:
        body["n_probs"] = max(sampling.logprobs, 1)
    if sampling.logit_bias:
        body["logit_bias"] = sampling.logit_bias
    if sampling.constraint:
        body["grammar"] = sampling.constraint.text
    return body


def _spelling(text: bytes, count: int, spelled: Sequence[bytes]) -> list[int] | None:
    """Return `count` tokens that write a text together, long ones first; None if there are none."""
    if count == 1:
        return [spelled.index(text)] if text in spelled else None
    for end in range(len(text) - count + 1, 0, -1):
        if text[:end] in spelled:
            rest = _spelling(text[end:], count - 1, spelled)
            if rest is not None:
                return [spelled.index(text[:end]), *rest]
    return None


def _written(spelled: Sequence[bytes], token: int) -> bytes:
    """Return what a token writes; there may be more rows in a model than words."""
    return spelled[token] if token < len(spelled) else b""


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _bytes_per_token(config: dict[str, Any], *, exact: bool) -> int:
    """Return what one token takes in the cache: keys and values of all layers, in 16 or 32 bits."""
    heads = config.get("num_key_value_heads") or config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    return int(2 * config["num_hidden_layers"] * heads * width * (4 if exact else 2))
