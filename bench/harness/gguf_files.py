"""Writes GGUF files: a model's own file in other precisions, or other weights with its words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["F32", "Q8_0"]
Array = npt.NDArray[np.float32]


def rewrite(source: Path, target: Path, kind: Kind) -> None:
    """Write the model of a GGUF file once more, its matrices in another precision."""
    from inhouse.models.gguf_file import GgufFile

    file = GgufFile(source)
    _write(source, target, kind, ((name, file.read(name)) for name in file.tensors), {})


def write_llama(
    words: Path, target: Path, kind: Kind, take: Callable[[str], Array], config: Mapping[str, Any]
) -> None:
    """Write a Llama model with the tokens of another GGUF file.

    Args:
        words: the file that has the tokens.
        target: the file to write.
        kind: the precision of its matrices.
        take: returns a tensor by its name in safetensors.
        config: its ``config.json``; the embedding is tied.
    """
    from inhouse.models.weights import GGUF_PARTS

    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}

    def tensors() -> Iterable[tuple[str, Array]]:
        yield "token_embd.weight", take("model.embed_tokens.weight")
        yield "output_norm.weight", take("model.norm.weight")
        for layer in range(config["num_hidden_layers"]):
            for ours, theirs in GGUF_PARTS.items():
                if ours.endswith(("q_norm", "k_norm")):
                    continue
                tensor = take(f"model.layers.{layer}.{theirs}.weight")
                if ours in heads:
                    tensor = _permuted(tensor, heads[ours])
                yield f"blk.{layer}.{ours}.weight", tensor

    head = config["hidden_size"] // config["num_attention_heads"]
    described = {
        "llama.embedding_length": config["hidden_size"],
        "llama.feed_forward_length": config["intermediate_size"],
        "llama.block_count": config["num_hidden_layers"],
        "llama.attention.head_count": config["num_attention_heads"],
        "llama.attention.head_count_kv": config["num_key_value_heads"],
        "llama.attention.key_length": head,
        "llama.attention.value_length": head,
        "llama.rope.dimension_count": head,
        "llama.context_length": config["max_position_embeddings"],
        "llama.rope.freq_base": float(config["rope_theta"]),
        "llama.attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
        "llama.vocab_size": config["vocab_size"],
    }
    _write(words, target, kind, tensors(), described)


def _write(
    source: Path,
    target: Path,
    kind: Kind,
    tensors: Iterable[tuple[str, Array]],
    described: Mapping[str, Any],
) -> None:
    from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter
    from gguf.quants import quantize

    from inhouse.models.gguf_file import GgufFile

    writer = GGUFWriter(target, "llama")
    left_out = {"general.architecture", "general.file_type", "general.quantization_version"}
    said = {k: v for k, v in GgufFile(source).metadata.items() if k not in left_out}
    for name, value in {**said, **described}.items():
        inner = GGUFValueType.get_type(value[0]) if isinstance(value, list) else None
        writer.add_key_value(name, value, _type_of(value), inner)
    quantisation = GGMLQuantizationType[kind]
    for name, tensor in tensors:
        if tensor.ndim > 1 and kind != "F32":
            writer.add_tensor(name, quantize(tensor, quantisation), raw_dtype=quantisation)
        else:
            writer.add_tensor(name, np.ascontiguousarray(tensor, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _type_of(value: object) -> Any:  # noqa: ANN401 - of gguf, untyped
    from gguf import GGUFValueType

    if isinstance(value, list):
        return GGUFValueType.ARRAY
    kind = GGUFValueType.get_type(value)
    negative = isinstance(value, int) and value < 0
    return GGUFValueType.UINT32 if kind == GGUFValueType.INT32 and not negative else kind


def _permuted(tensor: Array, heads: int) -> Array:
    """Return the rows in llama.cpp's order: the halves that turn together side by side."""
    rows = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, tensor.shape[1])
    return np.ascontiguousarray(rows.swapaxes(1, 2).reshape(tensor.shape))
