"""Builds the OpenVINO graph of a decoder of the Llama family: Llama, Mistral, Qwen2, Qwen3.

What it does not know is an error, never a guess: sliding windows (which continuous batching
would silently ignore), unknown position scalings, tensors without a place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as op

from inhouse.core.errors import BadInput
from inhouse.models.openvino import graph, positions
from inhouse.models.openvino.graph import Array, Node, Precision
from inhouse.models.weights import Weights

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
EMBEDDING = "model.embed_tokens.weight"
NEEDLESS = ("rotary_emb.inv_freq",)
NEEDLESS_IF_TIED = (*NEEDLESS, "lm_head.weight")


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a decoder and its position frequencies [head_width / 2].

    Cosines and sines of positions are multiplied by `sharpened`.
    """

    width: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    epsilon: float
    tied: bool
    frequencies: Array
    sharpened: float = 1.0

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Shape:
        """Read a Hugging Face configuration.

        Raises:
            BadInput: the model has something that cannot be built.
        """
        _check_supported(config)
        try:
            width, heads = config["hidden_size"], config["num_attention_heads"]
            head_width = config.get("head_dim") or width // heads
            return cls(
                width=width,
                layers=config["num_hidden_layers"],
                heads=heads,
                kv_heads=config.get("num_key_value_heads") or heads,
                head_width=head_width,
                epsilon=config["rms_norm_eps"],
                tied=bool(config.get("tie_word_embeddings")),
                frequencies=_frequencies(config, head_width),
                sharpened=_sharpened(config),
            )
        except KeyError as error:
            raise BadInput(
                f"config.json does not say {error.args[0]}.", "Pull the model again."
            ) from None


def build_decoder(weights: Weights, precision: Precision) -> ov.Model:
    """Return the model: ids, mask, positions and beams in, ``logits`` [batch, tokens, vocabulary].

    Raises:
        BadInput: the model is of an unknown family or has something that cannot be built.
    """
    shape = Shape.read(weights.config)
    ids, mask, places = (
        graph.parameter(name, 2) for name in ("input_ids", "attention_mask", "position_ids")
    )
    beams = graph.parameter("beam_idx", 1, np.int32)
    decoder = _Decoder(weights, shape, precision)
    decoder.mask = graph.causal_mask(ids, mask)
    tables = graph.rotary_tables(places, _scaled(shape.frequencies, weights))
    decoder.tables = graph.sharpened(tables, shape.sharpened)
    decoder.cache = graph.Cache(ids, beams, shape.kv_heads, shape.head_width)

    finer: Precision = "int8" if precision == "int4" else precision
    table = graph.matrix(weights.take(EMBEDDING), f"self.{EMBEDDING}", finer)
    x = op.gather(table, op.convert(ids, "i32"), op.constant(np.int32(0)))
    for layer in range(shape.layers):
        x = decoder.layer(x, layer)
    x = decoder.norm(x, "model.norm")
    if "lm_head.weight" in weights and not shape.tied:
        logits = graph.linear(x, weights, "lm_head", finer)
    else:
        logits = graph.project(x, table, "lm_head")
    weights.check_all_taken(but=NEEDLESS_IF_TIED if shape.tied else NEEDLESS)
    inputs = [ids, mask, places, beams]
    model = ov.Model([graph.result(logits, "logits")], decoder.cache.sinks, inputs, "decoder")
    # Without it activations are scaled for float16, which this model was not made for.
    model.set_rt_info("8.0", ["runtime_options", "ACTIVATIONS_SCALE_FACTOR"])
    return model


class _Decoder:
    """Builds one layer after the other."""

    mask: Node
    tables: tuple[Node, Node]
    cache: graph.Cache

    def __init__(self, weights: Weights, shape: Shape, precision: Precision) -> None:
        self._weights = weights
        self._shape = shape
        self._precision = precision

    def layer(self, x: Node, layer: int) -> Node:
        name = f"model.layers.{layer}"
        x = op.add(x, self._attend(self.norm(x, f"{name}.input_layernorm"), layer))
        y = self.norm(x, f"{name}.post_attention_layernorm")
        gate = op.swish(self._linear(y, f"{name}.mlp.gate_proj"))
        up = self._linear(y, f"{name}.mlp.up_proj")
        return op.add(x, self._linear(op.multiply(gate, up), f"{name}.mlp.down_proj"))

    def norm(self, x: Node, name: str) -> Node:
        return graph.rms_norm(x, self._weights.take(f"{name}.weight"), self._shape.epsilon)

    def _attend(self, x: Node, layer: int) -> Node:
        name, shape = f"model.layers.{layer}.self_attn", self._shape
        q = self._heads(x, f"{name}.q", shape.heads)
        k = self._heads(x, f"{name}.k", shape.kv_heads)
        v = self._heads(x, f"{name}.v", shape.kv_heads)
        keys = self.cache.extend(self._rotate(k), layer, "key")
        values = self.cache.extend(graph.swap_heads(v), layer, "value")
        y = graph.attention(
            self._rotate(q), self._repeat(keys), self._repeat(values), self.mask, shape.head_width
        )
        joined = graph.join_heads(y, shape.heads * shape.head_width)
        return self._linear(joined, f"{name}.o_proj")

    def _heads(self, x: Node, name: str, heads: int) -> Node:
        y = self._linear(x, f"{name}_proj")
        split = graph.split_heads(y, heads, self._shape.head_width)
        normed = f"{name}_norm.weight" in self._weights
        return self.norm(split, f"{name}_norm") if normed else split

    def _rotate(self, x: Node) -> Node:
        return graph.rotate(graph.swap_heads(x), self.tables, self._shape.head_width)

    def _repeat(self, x: Node) -> Node:
        shape = self._shape
        return graph.repeat_heads(x, shape.kv_heads, shape.heads, shape.head_width)

    def _linear(self, x: Node, name: str) -> Node:
        return graph.linear(x, self._weights, name, self._precision)


def _check_supported(config: Mapping[str, Any]) -> None:
    family = config.get("model_type")
    window = config.get("sliding_window")
    uses_window = config.get("use_sliding_window", family == "mistral")
    layer_types = set(config.get("layer_types") or ["full_attention"])
    reason = ""
    if family not in FAMILIES:
        reason = f"is of the family {family!r}"
    elif (window and uses_window and window < config.get("max_position_embeddings", 0)) or (
        layer_types != {"full_attention"} and uses_window
    ):
        reason = f"attends through a sliding window of {window} tokens"
    elif config.get("hidden_act", "silu") != "silu":
        reason = f"uses the activation {config['hidden_act']!r}"
    elif config.get("quantization_config"):
        reason = "is already quantised in a way of its own"
    if reason:
        raise BadInput(
            f"The model {reason}, which cannot be built.",
            "Use an unquantised Llama, Mistral without a window, Qwen2 or Qwen3.",
        )


def _frequencies(config: Mapping[str, Any], width: int) -> Array:
    """Return the rotary frequencies with the scaling that the configuration asks for."""
    rope = _rope(config)
    base = rope.get("rope_theta") or config.get("rope_theta") or 10000.0
    plain = 1.0 / base ** (np.arange(0, width, 2, dtype=np.float64) / width)
    kind = rope.get("rope_type", rope.get("type", "default"))
    whole = rope.get("partial_rotary_factor", config.get("partial_rotary_factor", 1.0)) == 1.0
    if kind == "default" and whole:
        return plain.astype(np.float32)
    if kind == "linear" and whole:
        return np.asarray(plain / rope["factor"], np.float32)
    if kind == "llama3" and whole:
        return _llama3_frequencies(plain, rope)
    if kind == "yarn" and whole and not {"mscale", "mscale_all_dim"} & rope.keys():
        return positions.yarn(plain, {**rope, "rope_theta": base})
    raise BadInput(
        f"The model scales its positions by {kind!r}, which cannot be built.",
        "Use a model with default, linear, llama3 or plain yarn position scaling.",
    )


def _sharpened(config: Mapping[str, Any]) -> float:
    rope = _rope(config)
    is_yarn = rope.get("rope_type", rope.get("type")) == "yarn"
    return positions.sharpened(rope) if is_yarn else 1.0


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    return config.get("rope_parameters") or config.get("rope_scaling") or {}


def _llama3_frequencies(plain: Any, rope: Mapping[str, Any]) -> Array:  # noqa: ANN401
    """Return Llama 3.1's frequencies: long waves slowed by `factor`, short ones kept."""
    turns = rope["original_max_position_embeddings"] * plain / (2 * math.pi)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    kept = np.clip((turns - low) / (high - low), 0, 1)
    return np.asarray((1 - kept) * plain / rope["factor"] + kept * plain, np.float32)


def _scaled(frequencies: Array, weights: Weights) -> Array:
    """Apply the divisors that a GGUF file carries for Llama 3.1's scaling."""
    if "rope_freqs.weight" not in weights:
        return frequencies
    return frequencies / weights.take("rope_freqs.weight", frequencies.size)
