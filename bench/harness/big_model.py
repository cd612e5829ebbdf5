"""A Llama of a billion random weights: made once, for every engine the same.

What random weights write means nothing, and takes as long as if it did.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 100000.0,
    "max_position_embeddings": 4096,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "torch_dtype": "bfloat16",
}
SEED = 11
SPREAD = 0.02


def make(folder: Path, words: Path) -> None:
    """Write the model into `folder`, with tokenizer and chat template of the model in `words`."""
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (words / name).is_file():
            shutil.copyfile(words / name, part / name)
    (part / "config.json").write_text(json.dumps(CONFIG, indent=2), encoding="utf-8")
    header, place = {}, 0
    for name, shape in shapes():
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [place, place + size]}
        place += size
    table = json.dumps(header).encode()
    random = np.random.default_rng(SEED)
    with (part / "model.safetensors").open("wb") as file:
        file.write(len(table).to_bytes(8, "little") + table)
        for _, shape in shapes():
            file.write(_brain_floats(random, shape).tobytes())
    part.rename(folder)


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the names and shapes of all tensors."""
    width, inner, words = (CONFIG[k] for k in ("hidden_size", "intermediate_size", "vocab_size"))
    narrow = width * CONFIG["num_key_value_heads"] // CONFIG["num_attention_heads"]
    yield "model.embed_tokens.weight", (words, width)
    yield "model.norm.weight", (width,)
    for layer in range(CONFIG["num_hidden_layers"]):
        start = f"model.layers.{layer}"
        for part, rows in (("q", width), ("k", narrow), ("v", narrow), ("o", width)):
            yield f"{start}.self_attn.{part}_proj.weight", (rows, width)
        yield f"{start}.mlp.gate_proj.weight", (inner, width)
        yield f"{start}.mlp.up_proj.weight", (inner, width)
        yield f"{start}.mlp.down_proj.weight", (width, inner)
        yield f"{start}.input_layernorm.weight", (width,)
        yield f"{start}.post_attention_layernorm.weight", (width,)


def _brain_floats(random: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.uint16]:
    """Return random weights, or ones for a norm, as the upper halves of float32."""
    if len(shape) == 1:
        values = np.ones(shape, np.float32)
    else:
        values = random.standard_normal(shape, np.float32) * np.float32(SPREAD)
    return (values.view(np.uint32) >> 16).astype(np.uint16)
