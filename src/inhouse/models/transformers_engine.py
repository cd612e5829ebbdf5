"""The reference engine: transformers in float32, one conversation after the other's token.

Slow and plain, to compare others with, and for families that cannot be built. Needs the extra
``train``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from inhouse.core.errors import InhouseError, MissingExtra
from inhouse.core.protocols import Sampling
from inhouse.models.engine import Request


class TransformersEngine:
    """Runs a model that `pull` fetched."""

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        """Load the model.

        Raises:
            MissingExtra: torch or transformers is not installed.
        """
        try:
            import torch
            from transformers import AutoModelForCausalLM, GgufConfig
        except ImportError:
            raise MissingExtra("The transformers engine", "train") from None
        if threads:
            torch.set_num_threads(threads)
        options: dict[str, Any] = {"local_files_only": True, "dtype": torch.float32}
        if (folder / "model.gguf").is_file():
            options["gguf_file"] = "model.gguf"
            options["quantization_config"] = GgufConfig(dequantize=True)
        else:
            options["use_safetensors"] = True
        self._model: Any = AutoModelForCausalLM.from_pretrained(folder, **options).eval()

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
        for _ in range(request.sampling.max_tokens):
            if self._model is None:
                raise InhouseError("The engine was closed.", "Load the model again.")
            token = await asyncio.to_thread(self._step, ids, cache, choose)
            yield token
            if token in request.stops:
                return
            ids = [token]

    async def close(self) -> None:
        """Let the model go."""
        self._model = None

    def _step(self, ids: list[int], cache: Any, choose: Any) -> int:  # noqa: ANN401
        import torch

        with torch.inference_mode():
            output = self._model(input_ids=torch.tensor([ids]), past_key_values=cache)
        return int(choose(output.logits[0, -1]))


def _chooser(sampling: Sampling) -> Any:  # noqa: ANN401
    """Return the function that picks a token from logits [vocabulary]."""
    import torch

    if sampling.temperature == 0:
        return torch.argmax
    source = torch.Generator()
    if sampling.seed is None:
        source.seed()
    else:
        source.manual_seed(sampling.seed)

    def choose(logits: Any) -> Any:  # noqa: ANN401
        chances, order = torch.softmax(logits / sampling.temperature, -1).sort(descending=True)
        chances[chances.cumsum(-1) - chances >= sampling.top_p] = 0
        return order[torch.multinomial(chances, 1, generator=source)]

    return choose
