"""Builds the OpenVINO graph of a BERT sentence encoder: its tokens, and their mean of length 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openvino as ov
from openvino import opset13 as op

from inhouse.core.errors import BadInput
from inhouse.models.openvino import graph
from inhouse.models.openvino.graph import Node, Precision
from inhouse.models.weights import Weights

NEEDLESS = ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")


def build_encoder(weights: Weights, precision: Precision) -> ov.Model:
    """Return the model: ids and mask [batch, tokens] in; two outputs.

    ``vectors`` [batch, width] have length 1, ``tokens`` [batch, tokens, width] any length.

    Raises:
        BadInput: it is no BERT with absolute positions and the exact GELU.
    """
    config = weights.config
    _check_supported(config)
    prefix = "" if "embeddings.word_embeddings.weight" in weights else "bert."
    encoder = _Encoder(weights, prefix, precision)
    ids, mask = graph.parameter("input_ids", 2), graph.parameter("attention_mask", 2)
    seen = graph.additive(op.unsqueeze(op.convert(mask, "boolean"), graph.integers(1, 2)))
    x = encoder.embed(ids)
    for layer in range(config["num_hidden_layers"]):
        x = encoder.layer(x, seen, layer)
    weights.check_all_taken(but=NEEDLESS)
    vectors = graph.result(_mean_of_length_one(x, mask), "vectors")
    return ov.Model([vectors, graph.result(x, "tokens")], [ids, mask], "encoder")


class _Encoder:
    """Builds one layer after the other."""

    def __init__(self, weights: Weights, prefix: str, precision: Precision) -> None:
        self._weights = weights
        self._prefix = prefix
        self._precision = precision
        self._heads: int = weights.config["num_attention_heads"]
        self._width: int = weights.config["hidden_size"]
        self._epsilon: float = weights.config.get("layer_norm_eps", 1e-12)

    def embed(self, ids: Node) -> Node:
        """Return the sum of word, position and first-type embedding, normalised."""
        name = f"{self._prefix}embeddings"
        words = self._take(f"{name}.word_embeddings.weight")
        positions = self._take(f"{name}.position_embeddings.weight")
        types = self._take(f"{name}.token_type_embeddings.weight")
        word = op.gather(
            graph.matrix(words, f"{name}.words", self._precision), ids, graph.scalar(0)
        )
        place = op.slice(
            graph.matrix(positions + types[:1], f"{name}.positions", self._precision),
            graph.integers(0),
            graph.dimension(ids, 1),
            graph.integers(1),
            graph.integers(0),
        )
        return self._norm(op.add(word, place), f"{name}.LayerNorm")

    def layer(self, x: Node, mask: Node, layer: int) -> Node:
        name = f"{self._prefix}encoder.layer.{layer}"
        q, k, v = (
            self._split(self._linear(x, f"{name}.attention.self.{part}"))
            for part in ("query", "key", "value")
        )
        y = graph.attention(q, k, v, mask, self._width // self._heads)
        y = self._linear(graph.join_heads(y, self._width), f"{name}.attention.output.dense")
        x = self._norm(op.add(x, y), f"{name}.attention.output.LayerNorm")
        y = op.gelu(self._linear(x, f"{name}.intermediate.dense"), "erf")
        y = self._linear(y, f"{name}.output.dense")
        return self._norm(op.add(x, y), f"{name}.output.LayerNorm")

    def _split(self, x: Node) -> Node:
        heads = graph.split_heads(x, self._heads, self._width // self._heads)
        return graph.swap_heads(heads)

    def _linear(self, x: Node, name: str) -> Node:
        return graph.linear(x, self._weights, name, self._precision)

    def _norm(self, x: Node, name: str) -> Node:
        scale, shift = self._take(f"{name}.weight"), self._take(f"{name}.bias")
        return graph.layer_norm(x, scale, shift, self._epsilon)

    def _take(self, name: str) -> graph.Array:
        return self._weights.take(name)


def _mean_of_length_one(x: Node, mask: Node) -> Node:
    """Average the real tokens of [batch, tokens, width] and scale to length 1."""
    real = op.unsqueeze(op.convert(mask, "f32"), graph.integers(2))
    total = op.reduce_sum(op.multiply(x, real), graph.integers(1), False)
    mean = op.divide(total, op.reduce_sum(real, graph.integers(1), False))
    return op.normalize_l2(mean, graph.integers(1), 1e-12, "max")


def _check_supported(config: Mapping[str, Any]) -> None:
    reason = ""
    if config.get("model_type") != "bert":
        reason = f"is of the family {config.get('model_type')!r}"
    elif config.get("position_embedding_type", "absolute") != "absolute":
        reason = f"has positions of the kind {config['position_embedding_type']!r}"
    elif config.get("hidden_act", "gelu") != "gelu":
        reason = f"uses the activation {config['hidden_act']!r}"
    if reason:
        raise BadInput(f"The model {reason}, which cannot be built.", "Use a BERT encoder.")
