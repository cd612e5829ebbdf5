"""The stage that leaves layers out of a language model: those that change their input least.

What is left is laid out like a pulled model and has to learn again before it is of use, which is
the business of `language`, with the whole model as its teacher.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Inputs, Progress, Result, Stage
from inhouse.models.pull import context_tokens
from inhouse.models.weight_files import read_json
from inhouse.models.weights import Array, Weights, open_weights, save_safetensors
from inhouse.train.embed import copy_beside
from inhouse.train.language import BASE, require_train
from inhouse.train.language_model import WEIGHTS, load_model
from inhouse.train.windows import Window, windows

LAYER = re.compile(r"(model\.layers\.)(\d+)(\..+)")
BY_LAYER = "layer_types"
"""The key of a configuration that says something of each layer."""


@dataclass(frozen=True, slots=True)
class Shorter:
    """What is left out.

    Args:
        share: of the layers; at least one is left out.
        length: tokens of a window that layers are judged by.
        most: windows of each data set.
    """

    share: float
    length: int = 512
    most: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise BadInput(
                f"{self.share} is no share of the layers.", "Name one between 0 and 1, such as 0.1."
            )


def run(spec: Shorter, inputs: Inputs, ctx: Context) -> Result:
    """Write the input ``base`` with fewer layers; all other inputs are tokens to judge them by.

    Raises:
        MissingExtra: what runs the model is not installed.
        BadInput: the model has too few layers, or there are too few tokens.
    """
    require_train()
    base = inputs[BASE]
    texts = [
        window
        for role in sorted(inputs.keys() - {BASE})
        for window in windows(inputs[role].folder, spec.length, spec.most)
    ]
    config = read_json(base.folder / "config.json")
    layers = int(config["num_hidden_layers"])
    count = max(1, round(spec.share * layers))
    if count >= layers:
        raise BadInput(
            f"{base.artifact.ref.path} has {layers} layers, too few to leave out {count}.",
            "Leave layers in, or start from a larger model.",
        )
    changes = _changes(load_model(base.folder), texts, ctx.progress)
    left_out = sorted(sorted(range(len(changes)), key=changes.__getitem__)[:count])
    kept = [layer for layer in range(layers) if layer not in left_out]
    weights = without(open_weights(base.folder), kept)
    copy_beside(base.folder, ctx.work)
    save_safetensors(weights, ctx.work / WEIGHTS)
    _write_config(weights.config, ctx.work)
    return Result(
        {
            "kind": "language",
            "architecture": config["model_type"],
            "licence": base.artifact.summary.get("licence", ""),
            "parameters": weights.parameters,
            "context_tokens": context_tokens(base.folder, config),
            "layers": len(kept),
            "left_out": left_out,
            "changes": [round(changes[layer], 4) for layer in left_out],
        }
    )


STAGE = Stage("train.shorter", 1, run)


def without(weights: Weights, kept: Sequence[int]) -> Weights:
    """Return weights with some of the layers alone, numbered anew."""
    place = {layer: number for number, layer in enumerate(kept)}
    names: dict[str, str] = {}
    for name in weights.names:
        found = LAYER.fullmatch(name)
        if not found:
            names[name] = name
        elif int(found[2]) in place:
            names[f"{found[1]}{place[int(found[2])]}{found[3]}"] = name
    shapes = {new: weights.shape(old) for new, old in names.items()}
    config: dict[str, Any] = {**weights.config, "num_hidden_layers": len(kept)}
    if BY_LAYER in config:
        config[BY_LAYER] = [config[BY_LAYER][layer] for layer in kept]

    def read(name: str) -> Array:
        return weights.take(names[name])

    return Weights(config, shapes, read)


def _write_config(config: Mapping[str, Any], folder: Path) -> None:
    said = {key: value for key, value in config.items() if key != "torch_dtype"}
    written = orjson.dumps(said | {"dtype": "float32"}, option=orjson.OPT_INDENT_2)
    (folder / "config.json").write_bytes(written)


def _changes(model: Any, texts: Sequence[Window], progress: Progress) -> list[float]:  # noqa: ANN401
    """Return how much each layer but the last changes its input, 0 for not at all.

    It is one less the cosine between what a layer is given and what it passes on, on average over
    tokens: the block influence of Men et al., arXiv 2403.03853. The last layer is left alone, as
    what comes after it is scaled for it.
    """
    import torch

    model.eval()
    total, tokens = None, 0
    with torch.inference_mode():
        for place, window in enumerate(texts):
            ids = torch.from_numpy(window.tokens[None]).to(model.device)
            states = model(input_ids=ids, output_hidden_states=True).hidden_states
            given = torch.stack(states[: model.config.num_hidden_layers]).float()[:, 0]
            found = (1 - torch.cosine_similarity(given[:-1], given[1:], dim=-1)).sum(-1)
            total = found if total is None else total + found
            tokens += len(window.tokens)
            progress(place + 1, len(texts), "windows")
    assert total is not None
    return [float(one) / tokens for one in total]
