"""The reference engine: transformers in float32, one conversation after the other's token.

Slow and plain, to compare others with, and for families that cannot be built. Needs the extra
``train``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from inhouse.core.errors import BadInput, InhouseError, MissingExtra
from inhouse.core.protocols import Sampling
from inhouse.models.engine import Request
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

    @property
    def capacity(self) -> int:
        """Tokens that prompt and answer may have together."""
        limit: int = self._model.config.max_position_embeddings
        return limit

    async def submit(self, request: Request) -> AsyncGenerator[int, None]:
        """Stream the tokens of the answer, the stop token included; closing it aborts.

        Raises:
            InhouseError: the engine was closed.
        """
        from transformers import DynamicCache

        cache, ids = DynamicCache(config=self._model.config), list(request.prompt)
        choose = _chooser(request.sampling)
        seen = set(ids)
        for _ in range(request.sampling.max_tokens):
            if self._model is None:
                raise InhouseError("The engine was closed.", "Load the model again.")
            token = await asyncio.to_thread(self._step, ids, cache, seen, choose)
            yield token
            if token in request.stops:
                return
            seen.add(token)
            ids = [token]

    async def close(self) -> None:
        """Let the model go."""
        self._model = None

    def _step(self, ids: list[int], cache: Any, seen: set[int], choose: Any) -> int:  # noqa: ANN401
        import torch

        with torch.inference_mode():
            output = self._model(input_ids=torch.tensor([ids]), past_key_values=cache)
        return int(choose(output.logits[0, -1], sorted(seen)))


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


def _chooser(sampling: Sampling) -> Any:  # noqa: ANN401
    """Return the function that picks a token from logits [vocabulary] and the tokens seen."""
    import torch

    source = torch.Generator()
    if sampling.seed is None:
        source.seed()
    else:
        source.manual_seed(sampling.seed)
    penalty = sampling.repetition_penalty or 1.0

    def choose(logits: Any, seen: list[int]) -> Any:  # noqa: ANN401
        if penalty != 1:
            old = logits[seen]
            logits = logits.index_put(
                (torch.tensor(seen),), torch.where(old > 0, old / penalty, old * penalty)
            )
        if sampling.temperature == 0:
            return torch.argmax(logits)
        chances, order = torch.softmax(logits / sampling.temperature, -1).sort(descending=True)
        chances[chances.cumsum(-1) - chances >= sampling.top_p] = 0
        return order[torch.multinomial(chances, 1, generator=source)]

    return choose
