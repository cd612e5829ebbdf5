"""Merges a LoRA adapter (Hu et al., arXiv 2106.09685) into the weights that it was trained on.

Merged weights are exact and cost nothing later, on every engine; so each adapter makes a model of
its own, pinned, labelled and kept open as any other, and none is chosen per request.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from inhouse.core.errors import BadInput
from inhouse.models.lora import files_of, plain_config
from inhouse.models.weights import Array, Weights, open_safetensors

PREFIX = "base_model.model."


def merged(weights: Weights, folder: Path) -> Weights:
    """Return the weights with the adapter in `folder` added: W + B A alpha / rank.

    Raises:
        BadInput: it is no LoRA adapter, belongs to another model, or does more than add to
            weights.
    """
    config, (_, file) = plain_config(folder), files_of(folder)
    adapter = open_safetensors([file], {})
    pairs = _pairs(adapter, weights, folder)

    def read(name: str) -> Array:
        base = weights.take(name)
        if name not in pairs:
            return base
        a, b = (adapter.take(part) for part in pairs[name])
        rank = len(a)
        scale = config["lora_alpha"] / (math.sqrt(rank) if config.get("use_rslora") else rank)
        if (b.shape[0], a.shape[1]) != base.shape or b.shape[1] != rank:
            raise BadInput(
                f"The adapter's change to {name} has another shape.",
                "Use the model that the adapter was trained on.",
            )
        return np.asarray(base + scale * (b @ a), np.float32)

    return weights.derived(read)


def _pairs(adapter: Weights, weights: Weights, folder: Path) -> dict[str, tuple[str, str]]:
    """Return the names of A and B for each weight that the adapter changes."""
    pairs = {}
    for name in adapter.names:
        stem, _, end = name.removeprefix(PREFIX).rpartition(".lora_")
        if end not in ("A.weight", "B.weight") or f"{stem}.weight" not in weights:
            raise BadInput(
                f"The adapter in {folder} changes {name}, which the model does not have.",
                "Use the model that the adapter was trained on.",
            )
        half = name.rpartition(".lora_")[0]
        pairs[f"{stem}.weight"] = (f"{half}.lora_A.weight", f"{half}.lora_B.weight")
    return pairs
