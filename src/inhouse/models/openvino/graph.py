"""Pieces of graphs that the model families share.

The forms of rotary embedding, cache and attention are those that OpenVINO's CPU plug-in fuses and
that its paged attention recognises; another form of the same arithmetic runs slowly or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset6
from openvino import opset13 as op

from inhouse.models.weights import Weights

Node = Any
Array = npt.NDArray[np.float32]
Precision = Literal["int8", "int4", "f16", "f32"]

SMALLEST_SCALE = 6.2e-5
"""Anything smaller becomes 0 in float16, and dividing by it NaN: a row of zeros must stay one."""
GROUP = 32
"""Weights that share a scale and a zero point in 4 bits."""
CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75)
"""Shares of a group's range that are tried: what lies outside is cut, the rest kept finer."""


def integers(*values: int) -> Node:
    """Return a constant vector of int64."""
    return op.constant(np.array(values, np.int64))


def scalar(value: int) -> Node:
    """Return a constant int64 without dimensions."""
    return op.constant(np.int64(value))


def floats(value: float, rank: int = 0) -> Node:
    """Return a float32 constant that broadcasts against `rank` dimensions."""
    return op.constant(np.full([1] * rank, value, np.float32))


def parameter(name: str, rank: int, kind: type[np.integer[Any]] = np.int64) -> Node:
    """Return an input of the model with `rank` free dimensions."""
    node = op.parameter([-1] * rank, np.dtype(kind))
    node.output(0).set_names({name})
    node.set_friendly_name(name)
    return node


def result(node: Node, name: str) -> Node:
    """Return an output of the model."""
    node.output(0).set_names({name})
    end = op.result(node)
    end.output(0).set_names({name})
    return end


def matrix(values: Array, name: str, precision: Precision) -> Node:
    """Return a weight of shape [out, in], stored in `precision` and used as float32.

    int8 is symmetric with one float16 scale per row. int4 has a float16 scale and a zero point
    for each 32 weights; rows that do not divide so are kept in 8 bits.
    """
    if precision == "int4" and values.shape[1] % GROUP == 0:
        return _four_bits(values, name)
    if precision == "f32":
        return _named(op.constant(values), name)
    if precision == "f16":
        return op.convert(_named(op.constant(values.astype(np.float16)), name), "f32")
    largest = np.abs(values).max(axis=1, keepdims=True)
    scale = np.maximum(largest / 127, SMALLEST_SCALE).astype(np.float16)
    steps = np.clip(np.rint(values / scale.astype(np.float32)), -127, 127).astype(np.int8)
    stored = op.convert(_named(op.constant(steps), name), "f16")
    scaled = op.multiply(stored, _named(op.constant(scale), f"{name}/scale"))
    return op.convert(_named(scaled, f"{name}/fq_weights_0"), "f32")


def _four_bits(values: Array, name: str) -> Node:
    grouped = values.reshape(values.shape[0], -1, GROUP)
    steps, zero, scale = quantised(grouped)
    shifted = op.subtract(
        op.convert(_packed(steps, name), "f16"),
        op.convert(_packed(zero, f"{name}/zero_point"), "f16"),
    )
    scaled = op.multiply(shifted, _named(op.constant(scale), f"{name}/scale"))
    whole = op.reshape(_named(scaled, f"{name}/fq_weights_0"), integers(*values.shape), False)
    return op.convert(whole, "f32")


def quantised(grouped: Array) -> tuple[Any, Any, Any]:
    """Return steps of 0 to 15, zero points and float16 scales of [rows, groups, weights].

    Of several ranges, that with the least squared error is taken, group by group.
    """
    low = np.minimum(grouped.min(-1, keepdims=True), 0)
    high = np.maximum(grouped.max(-1, keepdims=True), 0)
    best: tuple[Any, ...] = ()
    for clip in CLIPS:
        scale = np.maximum((high - low) * clip / 15, SMALLEST_SCALE).astype(np.float16)
        wide = scale.astype(np.float32)
        zero = np.clip(np.rint(-low * clip / wide), 0, 15)
        steps = np.clip(np.rint(grouped / wide + zero), 0, 15)
        error = np.square((steps - zero) * wide - grouped).sum(-1, keepdims=True)
        found = (error, steps, zero, scale)
        if best:
            better = error < best[0]
            found = tuple(np.where(better, new, old) for new, old in zip(found, best, strict=True))
        best = found
    _, steps, zero, scale = best
    return steps.astype(np.uint8), zero.astype(np.uint8), scale


def _packed(values: Any, name: str) -> Node:  # noqa: ANN401
    """Return a constant of 4-bit numbers, the first of each pair in the low half of its byte."""
    flat = np.append(values.reshape(-1), np.zeros(values.size % 2, np.uint8))
    tensor = ov.Tensor(ov.Type.u4, ov.Shape(values.shape))
    tensor.data.reshape(-1)[:] = flat[0::2] | (flat[1::2] << 4)
    return _named(op.constant(tensor), name)


def project(x: Node, weight: Node, name: str, bias: Array | None = None) -> Node:
    """Return x times the transposed weight, plus a bias.

    The name is the one under which OpenVINO's adapters look for a linear layer.
    """
    y = _named(op.matmul(x, weight, False, True), f"__module.{name}/aten::linear/MatMul")
    return y if bias is None else op.add(y, op.constant(bias.reshape(1, 1, -1)))


def linear(x: Node, weights: Weights, name: str, precision: Precision) -> Node:
    """Return a linear layer, with its bias if the model has one."""
    weight = matrix(weights.take(f"{name}.weight"), f"self.{name}.weight", precision)
    bias = weights.take(f"{name}.bias") if f"{name}.bias" in weights else None
    return project(x, weight, name, bias)


def rms_norm(x: Node, scale: Array, epsilon: float) -> Node:
    """Return RMS normalisation over the last dimension."""
    rank = x.get_output_partial_shape(0).rank.get_length()
    mean = op.reduce_mean(op.power(x, floats(2, rank)), integers(-1), True)
    root = op.sqrt(op.add(mean, floats(epsilon, rank)))
    unit = op.multiply(x, op.divide(floats(1, rank), root))
    return op.multiply(op.constant(scale.reshape([1] * (rank - 1) + [-1])), unit)


def layer_norm(x: Node, scale: Array, shift: Array, epsilon: float) -> Node:
    """Return layer normalisation over the last dimension."""
    unit = op.mvn(x, integers(-1), True, epsilon, "INSIDE_SQRT")
    return op.add(op.multiply(unit, op.constant(scale)), op.constant(shift))


def split_heads(x: Node, heads: int, width: int) -> Node:
    """Turn [batch, tokens, heads * width] into [batch, tokens, heads, width].

    The zeros keep both first dimensions: paged attention turns the batch into [tokens, 1].
    """
    return op.reshape(x, integers(0, 0, heads, width), True)


def swap_heads(x: Node) -> Node:
    """Swap the dimensions of tokens and heads."""
    return op.transpose(x, integers(0, 2, 1, 3))


def join_heads(x: Node, width: int) -> Node:
    """Turn [batch, heads, tokens, width of one] into [batch, tokens, width of all]."""
    return op.reshape(swap_heads(x), integers(0, 0, width), True)


def dimension(x: Node, *axes: int) -> Node:
    """Return sizes of `x` as a vector of int64."""
    return op.gather(op.shape_of(x), integers(*axes), scalar(0))


def rotary_tables(positions: Node, frequencies: Array) -> tuple[Node, Node]:
    """Return cosine and sine, [batch, 1, tokens, width], for positions [batch, tokens]."""
    column = op.constant(frequencies.reshape(1, -1, 1))
    row = op.convert(op.unsqueeze(positions, integers(1)), "f32")
    half = op.transpose(op.matmul(column, row, False, False), integers(0, 2, 1))
    angles = op.concat([half, half], -1)
    return op.unsqueeze(op.cos(angles), integers(1)), op.unsqueeze(op.sin(angles), integers(1))


def sharpened(tables: tuple[Node, Node], by: float) -> tuple[Node, Node]:
    """Return cosine and sine times a number, as they are if it is 1."""
    if by == 1:
        return tables
    return op.multiply(tables[0], floats(by)), op.multiply(tables[1], floats(by))


def rotate(x: Node, tables: tuple[Node, Node], width: int) -> Node:
    """Apply rotary position embedding to [batch, heads, tokens, width]."""
    cosine, sine = tables
    ends = integers(width // 2), integers(np.iinfo(np.int64).max)
    first = op.slice(x, integers(0), ends[0], integers(1), integers(3))
    second = op.slice(x, ends[0], ends[1], integers(1), integers(3))
    turned = op.concat([op.multiply(second, floats(-1)), first], -1)
    return op.add(op.multiply(x, cosine), op.multiply(turned, sine))


def causal_mask(ids: Node, attention_mask: Node) -> Node:
    """Return the additive mask [batch, 1, new tokens, all tokens].

    It must depend on nothing else and feed only attention: paged attention then drops it.
    """
    every = op.squeeze(dimension(attention_mask, 1), scalar(0))
    new = op.squeeze(dimension(ids, 1), scalar(0))
    keys = op.reshape(op.range(scalar(0), every, scalar(1), "i64"), integers(1, 1, 1, -1), False)
    first = op.subtract(every, new)
    queries = op.reshape(op.range(first, every, scalar(1), "i64"), integers(1, 1, -1, 1), False)
    real = op.unsqueeze(op.convert(attention_mask, "boolean"), integers(1, 2))
    return additive(op.logical_and(op.less_equal(keys, queries), real))


def additive(seen: Node) -> Node:
    """Turn a boolean mask into one that is added to attention scores."""
    return op.select(seen, floats(0), floats(-65504))


class Cache:
    """Keys and values of earlier tokens, as state of the model."""

    def __init__(self, ids: Node, beams: Node, heads: int, width: int) -> None:
        self._batch = dimension(ids, 0)
        self._beams = beams
        self._heads = heads
        self._width = width
        self.sinks: list[Node] = []

    def extend(self, x: Node, layer: int, kind: Literal["key", "value"]) -> Node:
        """Return all tokens' [batch, heads, tokens, width], given those of the new ones."""
        shape = [self._batch, integers(self._heads), integers(0), integers(self._width)]
        empty = op.broadcast(floats(0), op.concat(shape, 0))
        name = f"past_key_values.{layer}.{kind}present.{layer}.{kind}"
        free = ov.PartialShape([-1, self._heads, -1, self._width])
        past = opset6.read_value(empty, name, ov.Type.f32, free)
        whole = op.concat([op.gather(past, self._beams, scalar(0)), x], -2)
        self.sinks.append(opset6.assign(whole, name))
        return whole


def repeat_heads(x: Node, kv_heads: int, heads: int, width: int) -> Node:
    """Repeat each key or value head for the query heads that share it."""
    if kv_heads == heads:
        return x
    sizes: Sequence[Node] = [
        dimension(x, 0, 1),
        integers(heads // kv_heads),
        dimension(x, 2, 3),
    ]
    spread = op.broadcast(op.unsqueeze(x, integers(2)), op.concat(sizes, 0), "BIDIRECTIONAL")
    return op.reshape(spread, integers(0, heads, -1, width), True)


def attention(q: Node, k: Node, v: Node, mask: Node, width: int) -> Node:
    """Return scaled dot-product attention over [batch, heads, tokens, width]."""
    return op.scaled_dot_product_attention(q, k, v, mask, floats(width**-0.5), causal=False)


def _named(node: Node, name: str) -> Node:
    node.set_friendly_name(name)
    return node
