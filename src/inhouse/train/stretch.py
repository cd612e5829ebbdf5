"""The stage that lets a language model read more at once: the same weights, other positions.

It learns to use them afterwards, from long rows; that is the business of `language`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.models.pull import context_tokens, kind_of
from inhouse.models.weight_files import is_weights
from inhouse.train.embed import copy_beside

WEIGHTS, ADAPTER = "weights", "adapter"
MODEL = "model.safetensors"
THETA = 10_000.0
YARN, BEFORE = "yarn", "original_max_position_embeddings"


@dataclass(frozen=True, slots=True)
class Stretch:
    """How many tokens it is to read at once."""

    context: int


def run(spec: Stretch, inputs: Inputs, ctx: Context) -> Result:
    """Write the model that the input ``weights`` holds, for longer texts, into ``ctx.work``.

    An input ``adapter`` is added to the weights first.

    Raises:
        BadInput: it reads as much already, or scales its positions in a way of its own.
    """
    from inhouse.models.adapter import merged
    from inhouse.models.weights import open_weights, save_safetensors

    source, ref = inputs[WEIGHTS].folder, inputs[WEIGHTS].artifact.ref.path
    weights = open_weights(source)
    if kind_of(weights.config) != "language":
        raise BadInput(f"{ref} is no language model.", "Name one under 'base'.")
    before = context_tokens(source, weights.config)
    if spec.context <= before:
        raise BadInput(
            f"{ref} reads {before:,} tokens as it is, and 'context' asks for {spec.context:,}.",
            "Take 'context' out, or ask for more.",
        )
    config = stretched(weights.config, spec.context)
    copy_beside(source, ctx.work)
    (ctx.work / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    shards = [path for path in source.iterdir() if is_weights(path.name)]
    if "adapter" in inputs or any(path.suffix == ".gguf" for path in shards):
        # A GGUF file says itself how positions are scaled, and nothing here writes one anew.
        whole = merged(weights, inputs["adapter"].folder) if "adapter" in inputs else weights
        save_safetensors(whole, ctx.work / MODEL)
    else:
        for path in shards:
            shutil.copyfile(path, ctx.work / path.name)
    return Result(
        {
            "kind": "language",
            "format": "safetensors",
            "architecture": config["model_type"],
            "parameters": weights.parameters,
            "licence": inputs[WEIGHTS].artifact.summary.get("licence", ""),
            "context_tokens": spec.context,
            "before": before,
        }
    )


STAGE = Stage("train.stretch", 1, run)


def stretched(config: Mapping[str, Any], context: int) -> dict[str, Any]:
    """Return the settings of a model with its positions scaled by YaRN (Peng et al., 2309.00071).

    It is written as all versions of transformers and vLLM read it.

    Raises:
        BadInput: its positions are scaled in another way already.
    """
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in ("default", YARN) or any(isinstance(part, dict) for part in rope.values()):
        raise BadInput(
            f"The positions of the model are scaled already, by {kind!r}.",
            "Name a base with plain positions, or one that was stretched here.",
        )
    before = rope.get(BEFORE) or config["max_position_embeddings"]
    scaling = {"rope_type": YARN, "factor": context / before, BEFORE: before}
    base = rope.get("rope_theta") or config.get("rope_theta") or THETA
    kept = {key: value for key, value in config.items() if key != "rope_parameters"}
    return kept | {
        "max_position_embeddings": context,
        "rope_theta": base,
        "rope_scaling": scaling,
    }
