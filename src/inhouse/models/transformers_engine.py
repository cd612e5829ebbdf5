"""The reference engine: transformers in float32, one conversation after the other's token.

Slow and plain, to compare others with, and for families that cannot be built. Needs the extra
``train``.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from inhouse.core.errors import BadInput, InhouseError, MissingExtra
from inhouse.core.protocols import NEW_TOKENS
from inhouse.models.counts import Counts
from inhouse.models.engine import Capabilities, Request, Stats, Step
from inhouse.models.weights import open_weights

AT_ONCE = 1024
"""So many tokens of endings go through the model at once."""


class TransformersEngine:
    """Runs a model that `pull` fetched, or one that is in memory, as it is."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        self._model = model
        self._counts = Counts()

    @classmethod
    def load(cls, folder: Path, *, threads: int = 0) -> TransformersEngine:
        """Load the model.

        Raises:
            MissingExtra: torch or transformers is not installed.
        """
        if not (find_spec("torch") and find_spec("transformers")):
            raise MissingExtra("The transformers engine", "train")
        import torch

        if threads:
            torch.set_num_threads(threads)
        return cls(_load(folder).eval())

    @property
    def capacity(self) -> int:
        """Tokens that prompt and answer may have together."""
        limit: int = self._model.config.max_position_embeddings
        return limit

    @property
    def capabilities(self) -> Capabilities:
        """What requests may ask for: all but constraints."""
        return Capabilities(logprobs=True, penalties=True, logit_bias=True)

    async def submit(self, request: Request) -> AsyncGenerator[Step, None]:
        """Stream the tokens of the answer, the stop token included; closing it aborts.

        Raises:
            InhouseError: the engine was closed.
        """
        from transformers import DynamicCache

        from inhouse.models.chooser import Chooser

        cache, ids = DynamicCache(config=self._model.config), list(request.prompt)
        chooser = Chooser(request.sampling, request.prompt)
        with self._counts.request(len(ids)) as count:
            for _ in range(request.sampling.max_tokens or NEW_TOKENS):
                logits = (await asyncio.to_thread(self._logits, ids, cache))[-1]
                token = chooser.choose(logits)
                count()
                wanted = request.sampling.logprobs
                yield Step(token) if wanted is None else _step(token, logits, wanted)
                if token in request.stops:
                    return
                ids = [token]

    async def score(self, tokens: Sequence[int], top: int) -> AsyncGenerator[Step, None]:
        """Stream the tokens with their log-probabilities and the likeliest in their place.

        Raises:
            InhouseError: the engine was closed.
        """
        with self._counts.request(len(tokens)):
            logits = await asyncio.to_thread(self._logits, list(tokens))
            yield Step(tokens[0])
            for token, row in zip(tokens[1:], logits, strict=False):
                yield _step(token, row, top)

    async def score_endings(
        self, beginning: Sequence[int], endings: Sequence[Sequence[int]]
    ) -> AsyncGenerator[Step, None]:
        """Stream the tokens of one ending after the other with their log-probabilities.

        Raises:
            InhouseError: the engine was closed.
        """
        with self._counts.request(len(beginning) + sum(map(len, endings))):
            scores = await asyncio.to_thread(self._behind, list(beginning), endings)
            for ending, own in zip(endings, scores, strict=True):
                for token, logprob in zip(ending, own, strict=True):
                    yield Step(token, logprob)

    def stats(self) -> Stats:
        """Say what it does and has done."""
        return self._counts.stats()

    async def close(self) -> None:
        """Let the model go."""
        self._model = None

    def _logits(self, ids: list[int], cache: Any = None) -> Any:  # noqa: ANN401
        """Return the logits after each token, [tokens, vocabulary]."""
        return self._run([ids], cache)[0]

    def _behind(
        self, beginning: list[int], endings: Sequence[Sequence[int]]
    ) -> Sequence[Sequence[float]]:
        """Return the log-probabilities of endings; the beginning is read once for all of them.

        Short ones are filled up behind their end, which what stands before does not see.
        """
        from transformers import DynamicCache

        cache = DynamicCache(config=self._model.config)
        first = self._run([beginning], cache)[0, -1]
        found: list[Sequence[float]] = []
        many = max(1, AT_ONCE // max(map(len, endings)))
        for start in range(0, len(endings), many):
            some = endings[start : start + many]
            width = max(map(len, some))
            rows = [[*ending, *[0] * (width - len(ending))] for ending in some]
            branches = copy.deepcopy(cache)
            branches.batch_repeat_interleave(len(rows))
            logits = self._run(rows, branches)
            for ending, own in zip(some, logits, strict=True):
                after = [first, *own[: len(ending) - 1]]
                found.append(
                    [_logprob(row, token) for row, token in zip(after, ending, strict=True)]
                )
        return found

    def _run(self, rows: Sequence[Sequence[int]], cache: Any) -> Any:  # noqa: ANN401
        """Return the logits after each token of rows, [rows, tokens, vocabulary]."""
        import torch

        if self._model is None:
            raise InhouseError("The engine was closed.", "Load the model again.")
        with torch.inference_mode():
            ids = torch.tensor(rows, device=self._model.device)
            use = cache is not None
            return self._model(input_ids=ids, past_key_values=cache, use_cache=use).logits


def _logprob(logits: Any, token: int) -> float:  # noqa: ANN401
    return float(logits.double().log_softmax(-1)[token])


def _step(token: int, logits: Any, top: int) -> Step:  # noqa: ANN401
    chances = logits.double().log_softmax(-1)  # in float32, thousands of words lose digits
    best = chances.topk(top)
    likeliest = tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True))
    return Step(token, float(chances[token]), likeliest)


def _load(folder: Path) -> Any:  # noqa: ANN401
    """Return the model with the weights that a pulled folder holds, in float32.

    GGUF goes through our own reader: that of transformers needs one more package.
    """
    import torch
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, AutoModelForCausalLM

    if not (folder / "model.gguf").is_file():
        return AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
    weights = open_weights(folder)
    described = AutoConfig.for_model(**weights.config)
    tensors = {name: torch.from_numpy(weights.take(name)) for name in weights.names}
    model = MODEL_FOR_CAUSAL_LM_MAPPING[type(described)].from_pretrained(
        None, config=described, state_dict=tensors, dtype=torch.float32
    )
    if left := tensors.keys() - model.state_dict().keys():
        raise BadInput(
            f"transformers has no place for {min(left)} of {folder}.",
            "Use the same model as safetensors.",
        )
    return model
