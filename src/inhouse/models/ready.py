"""The stage that readies a pulled model for an engine that reads its weights as they are.

`build` makes another form of them, for OpenVINO. Here they stay, checked for what the engine
reads, beside the files that serving needs; only an adapter changes them.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.models.pull import context_tokens, kind_of
from inhouse.models.spelling import check_spelling
from inhouse.models.weight_files import is_weights, read_json

EngineName = Literal["openvino", "llama", "vllm", "transformers"]
GGUF, MERGED = "model.gguf", "model.safetensors"


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine that is to run it."""

    engine: EngineName

    def __post_init__(self) -> None:
        known = [name for name in get_args(EngineName) if name != "openvino"]
        if self.engine not in known:
            raise BadInput(f"{self.engine!r} is no such engine.", f"Use {', '.join(known)}.")


def run(spec: Ready, inputs: Inputs, ctx: Context) -> Result:
    """Put the model that the input ``weights`` holds into ``ctx.work``.

    With an input ``adapter``, the weights with that added are written anew, in float32.

    Raises:
        BadInput: the engine cannot read weights of this kind or format, takes no adapter, or it
            learnt with another tokenizer or chat template.
    """
    source = inputs["weights"].folder
    config = read_json(source / "config.json")
    if kind_of(config) != "language":
        raise BadInput(
            f"{inputs['weights'].artifact.ref.path} is an embedder, and 'engine' is for language "
            "models.",
            "Leave 'engine' out in inhouse.yaml.",
        )
    adapter = inputs["adapter"].folder if "adapter" in inputs else None
    _check_format(spec.engine, source, adapter)
    for path in sorted(source.rglob("*")):
        if path.is_file() and not (adapter and is_weights(path.name)):
            target = ctx.work / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            _take(path, target)
    check_spelling(inputs.get("adapter", inputs["weights"]).artifact, ctx.work)
    if adapter:
        _merge(source, adapter, ctx.work / MERGED)
    size = sum(path.stat().st_size for path in ctx.work.rglob("*") if path.is_file())
    return Result(
        {
            "kind": "language",
            "engine": spec.engine,
            "architecture": config["model_type"],
            "context_tokens": context_tokens(source, config),
            "bytes": size,
        }
    )


STAGE = Stage("models.ready", 1, run)


def _merge(source: Path, adapter: Path, file: Path) -> None:
    from inhouse.models.adapter import merged
    from inhouse.models.weights import open_weights, save_safetensors

    save_safetensors(merged(open_weights(source), adapter), file)


def _check_format(engine: EngineName, folder: Path, adapter: Path | None) -> None:
    is_gguf = (folder / GGUF).is_file()
    if adapter:
        if engine == "llama":
            raise BadInput(
                "llama-server runs a GGUF file as it is, and takes no adapter here.",
                "Leave 'engine' out, or take the adapter out.",
            )
        return
    if engine == "llama" and not is_gguf:
        raise BadInput(
            "llama-server reads GGUF files, and this model is safetensors.",
            "Name a GGUF file of it as its source, or leave 'engine' out.",
        )
    if engine == "vllm" and is_gguf:
        raise BadInput(
            "vLLM reads safetensors here, and this model is a GGUF file.",
            "Name its safetensors as the source, or use engine: llama.",
        )


def _take(source: Path, target: Path) -> None:
    """Put a file of the store in another place, without its bytes a second time if it can be."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
