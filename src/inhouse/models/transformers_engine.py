"""The reference engine: transformers in float32, one conversation after the other's token.

Slow and plain, to compare others with, and for families that cannot be built. Needs the extra
``train``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from inhouse.core.errors import BadInput, InhouseError, MissingExtra
from inhouse.core.protocols import NEW_TOKENS
from inhouse.models.counts import Counts
from inhouse.models.engine import Capabilities, Request, Stats, Step
from inhouse.models.weights import open_weights


class TransformersEngine:
    """Runs a model that `pull` fetched."""

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        """Load the model.

        Raises:
            MissingExtra: torch or transformers is not installed.
        """
        if not (find_spec("torch") and find_spec("transformers")):
            raise MissingExtra("The transformers engine", "train")
        import torch

        if threads:
            torch.set_num_threads(threads)
        self._model: Any = _load(folder).eval()
        self._counts = Counts()

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

    def stats(self) -> Stats:
        """Say what it does and has done."""
        return self._counts.stats()

    async def close(self) -> None:
        """Let the model go."""
        self._model = None

    def _logits(self, ids: list[int], cache: Any = None) -> Any:  # noqa: ANN401
        """Return the logits after each token, [tokens, vocabulary]."""
        import torch

        if self._model is None:
            raise InhouseError("The engine was closed.", "Load the model again.")
        with torch.inference_mode():
            return self._model(input_ids=torch.tensor([ids]), past_key_values=cache).logits[0]


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
