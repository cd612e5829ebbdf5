"""Which files of a source are taken, and under which names they lie in a pulled model.

Every source ends in one layout, whatever it looked like: ``model.gguf`` or
``model*.safetensors``, with ``config.json``, ``tokenizer.json`` and the licence beside them. What
is inside the files is judged by `weights`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from inhouse.core.errors import BadInput

TEXT_LIMIT = 64 * 2**20
"""Bytes that any file beside the weights may have."""

SHARD = re.compile(r"model(-\d+-of-\d+)?\.safetensors\Z")
LICENCE = re.compile(r"(licen[cs]e|notice|copying)(\.(md|txt))?\Z", re.IGNORECASE)
POOLING = re.compile(r"\d+_Pooling/config\.json\Z")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
TEXTS = frozenset(
    {
        "README.md",
        "chat_template.jinja",
        "config.json",
        "config_sentence_transformers.json",
        "generation_config.json",
        "modules.json",
        "sentence_bert_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
)


def is_weights(path: str) -> bool:
    """Say whether a file of that name holds tensors in a format that can be read."""
    return path.endswith((".safetensors", ".gguf"))


def choose(paths: Iterable[str], source: str) -> dict[str, str]:
    """Choose the files of a model: path in the source -> path in the pulled model.

    Args:
        paths: every file of the source, relative, with forward slashes.
        source: what to call the source in an error.

    Raises:
        BadInput: a path leads outside, the only weights are pickles, there are no weights, or
            there are several models.
    """
    everything = sorted(paths, key=lambda p: (p.count("/"), p))
    for path in everything:
        _check_inside(path, source)
    shards = [p for p in everything if SHARD.match(PurePosixPath(p).name)]
    ggufs = [p for p in everything if p.endswith(".gguf")]
    if shards:
        chosen = _beside(PurePosixPath(shards[0]).parent, everything)
    elif len(ggufs) == 1:
        chosen = {ggufs[0]: "model.gguf"}
    elif ggufs:
        listing = ", ".join(ggufs[:5])
        raise BadInput(
            f"{source} holds {len(ggufs)} GGUF files ({listing}).",
            "Name the one you want with file:PATH.",
        )
    else:
        raise _no_weights(everything, source)
    taken = set(chosen.values())
    for path in everything:
        name = PurePosixPath(path).name
        if LICENCE.match(name) and name not in taken:
            chosen[path] = name
            taken.add(name)
    return chosen


def _check_inside(path: str, source: str) -> None:
    parts = path.split("/")
    if ".." in parts or "" in parts or "\\" in path or ":" in parts[0] or "\0" in path:
        raise BadInput(
            f"{source} holds the unsafe path {path!r}.", "Do not use this source; it was tampered."
        )


def _beside(root: PurePosixPath, paths: list[str]) -> dict[str, str]:
    """Return the files of the model whose weights lie in the folder `root`."""
    prefix = "" if str(root) == "." else f"{root}/"
    inside = {p: p.removeprefix(prefix) for p in paths if p.startswith(prefix)}
    return {p: r for p, r in inside.items() if SHARD.match(r) or r in TEXTS or POOLING.match(r)}


def _no_weights(paths: list[str], source: str) -> BadInput:
    pickles = [p for p in paths if p.endswith(PICKLES)]
    if pickles:
        return BadInput(
            f"{source} holds its weights only as a pickle ({pickles[0]}); pickle files can run "
            "code.",
            "Convert them to safetensors, or use a source that has safetensors or GGUF.",
        )
    return BadInput(
        f"{source} holds no weights.", "A source needs model.safetensors or one .gguf file."
    )


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        BadInput: it is missing or does not hold a JSON object.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise BadInput(f"{path} is missing.", "Pull the model again.") from None
    except ValueError as error:
        raise BadInput(f"{path} is not JSON: {error}.", "Pull the model again.") from None
    if not isinstance(value, dict):
        raise BadInput(f"{path} does not hold a JSON object.", "Pull the model again.")
    return value
