"""Merges a LoRA adapter (Hu et al., arXiv 2106.09685) into the weights that it was trained on.

An adapter is a folder as PEFT saves it: ``adapter_config.json`` and
``adapter_model.safetensors``. Merged weights are exact and cost nothing later; so each adapter is
a model of its own, and none is chosen per request.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from inhouse.core.errors import BadInput
from inhouse.models.weight_files import read_json
from inhouse.models.weights import Array, Weights, open_safetensors

PREFIX = "base_model.model."
ADDITIONS = ("use_dora", "fan_in_fan_out", "modules_to_save", "alpha_pattern", "lora_bias")


def merged(weights: Weights, folder: Path) -> Weights:
    """Return the weights with the adapter in `folder` added: W + B A alpha / rank.

    Raises:
        BadInput: it is no LoRA adapter, belongs to another model, or does more than add to
            weights.
    """
    config = read_json(folder / "adapter_config.json")
    _check_plain(config, folder)
    file = folder / "adapter_model.safetensors"
    if not file.is_file():
        raise BadInput(f"{file} is missing.", "Save the adapter as safetensors.")
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


def _check_plain(config: dict[str, Any], folder: Path) -> None:
    more = [name for name in ADDITIONS if config.get(name)]
    if config.get("bias", "none") != "none":
        more.append("bias")
    if config.get("peft_type") != "LORA" or more or "lora_alpha" not in config:
        raise BadInput(
            f"The adapter in {folder} is not plain LoRA ({', '.join(more) or 'another type'}).",
            "Train it as LoRA that changes nothing but weights.",
        )


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
