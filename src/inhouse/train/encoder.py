"""A sentence encoder in torch: how it is loaded, and how unfinished work on one is kept.

Torch is imported inside, for it belongs to the extra ``train``. What an encoder learns is the
business of `learner` and of `class_learner`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inhouse.models.weights import open_weights

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer

WARMING = 0.1


def load(folder: Path) -> Any:  # noqa: ANN401 - of transformers
    """Return the encoder in `folder` with the weights as our own reader gives them, in float32."""
    import torch
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_config(config, dtype=torch.float32, add_pooling_layer=False)
    weights = open_weights(folder)
    prefix = "" if "embeddings.word_embeddings.weight" in weights else "bert."
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    model.load_state_dict(
        {n: torch.tensor(weights.take(f"{prefix}{n}", *shape)) for n, shape in shapes.items()}
    )
    return model.eval()


def padded(rows: Sequence[Sequence[int]], fill: int = 0) -> Tensor:
    """Return rows of numbers as one tensor [rows, longest], filled up at their ends."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=fill)


def slope(step: int, steps: int) -> float:
    """Return the share of the highest rate at a step, counted from 1.

    It rises over the first tenth, and falls to 0 from there.
    """
    warm = max(WARMING * steps, 1)
    return min(step / warm, (steps - step + 1) / max(steps - warm + 1, 1))


def keep(
    path: Path, model: Module, optimizer: Optimizer, told: Mapping[str, Sequence[float]]
) -> None:
    """Write what `resume` needs, whole or not at all: first to `path` with .part behind it."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{key}": value for key, value in state.items()}
    write(path, tensors, {name: json.dumps(list(values)) for name, values in told.items()})


def resume(path: Path, model: Module, optimizer: Optimizer) -> dict[str, list[float]]:
    """Put model and optimiser where `keep` was called; return what was told then."""
    from safetensors import safe_open

    weights: dict[str, Any] = {}
    states: dict[int, dict[str, Any]] = {}
    with safe_open(path, "pt") as file:
        told = {name: json.loads(values) for name, values in file.metadata().items()}
        for name in file.keys():  # noqa: SIM118 - no mapping
            kind, _, rest = name.partition(".")
            if kind == "model":
                weights[rest] = file.get_tensor(name)
            else:
                number, _, key = rest.partition(".")
                states.setdefault(int(number), {})[key] = file.get_tensor(name)
    model.load_state_dict(weights)
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": states, "param_groups": groups})
    return told


def write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors, whole or not at all: first to `path` with .part behind it."""
    from safetensors.torch import save_file

    aside = path.with_name(f"{path.name}.part")
    save_file(dict(tensors), aside, dict(metadata))
    with aside.open("r+b") as file:
        os.fsync(file.fileno())
    aside.replace(path)
