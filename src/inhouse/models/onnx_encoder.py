"""Writes a BERT sentence encoder, with or without a head that tells classes, as an ONNX file.

The same numbers as in the form that runs here, held in float32, for ONNX Runtime and all that
reads ONNX. The file is a graph and weights alone; tokenizer and names of classes lie beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from inhouse.core.errors import BadInput, MissingExtra
from inhouse.models.classifier import Linear
from inhouse.models.weights import Array, Weights

OPSET, FORMAT = 17, 9
"""Of ONNX: the first with a normalisation of layers, and what runtimes of three years ago read."""
UNSEEN = -1e9
LARGEST = 2**31
"""Bytes of a file at most."""
INPUTS = ("input_ids", "attention_mask")
NEEDLESS = ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")


def require_onnx() -> None:
    """Make sure that ONNX files can be written, without loading what does.

    Raises:
        MissingExtra: it is not installed.
    """
    if find_spec("onnx") is None:
        raise MissingExtra("Writing ONNX files", "compress")


def write_onnx(weights: Weights, file: Path, head: Linear | None = None) -> None:
    """Write the encoder: ``input_ids`` and ``attention_mask`` [batch, tokens] in, int64.

    Out come ``sentence_embedding`` [batch, width] of length 1 and ``token_embeddings``
    [batch, tokens, width]; with a head ``probabilities`` [batch, classes] too.

    Raises:
        MissingExtra: ONNX is not installed.
        BadInput: it is no BERT with absolute positions and the exact GELU, or too large a one.
    """
    require_onnx()
    import onnx

    _check_supported(weights)
    graph = _Graph()
    encoder = _Encoder(weights, graph)
    tokens = encoder.tokens()
    weights.check_all_taken(but=NEEDLESS)
    vectors = encoder.mean(tokens)
    ends = {vectors: "sentence_embedding", tokens: "token_embeddings"}
    width: int = weights.config["hidden_size"]
    shapes: dict[str, list[Any]] = {
        "sentence_embedding": ["batch", width],
        "token_embeddings": ["batch", "tokens", width],
    }
    if head is not None:
        scores = graph.linear(vectors, head.weights[:-1], head.weights[-1])
        ends[graph.add("Softmax", scores, axis=-1)] = "probabilities"
        shapes["probabilities"] = ["batch", len(head.classes)]
    for found, name in ends.items():
        graph.add("Identity", found, name=name)
    made = onnx.helper.make_graph(
        graph.nodes,
        "encoder",
        [_value(name, onnx.TensorProto.INT64, ["batch", "tokens"]) for name in INPUTS],
        [_value(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        graph.constants,
    )
    opset = onnx.helper.make_opsetid("", OPSET)
    model = onnx.helper.make_model(made, opset_imports=[opset], producer_name="inhouse")
    model.ir_version = FORMAT
    if model.ByteSize() >= LARGEST:
        raise BadInput("The model is larger than an ONNX file can be.", "Leave --format out.")
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString(deterministic=True))


def _value(name: str, kind: int, shape: list[Any]) -> Any:  # noqa: ANN401
    import onnx

    return onnx.helper.make_tensor_value_info(name, kind, shape)


def _check_supported(weights: Weights) -> None:
    config: Mapping[str, Any] = weights.config
    told = {
        "family": config.get("model_type"),
        "positions": config.get("position_embedding_type", "absolute"),
        "activation": config.get("hidden_act", "gelu"),
    }
    if tuple(told.values()) != ("bert", "absolute", "gelu"):
        raise BadInput(
            f"The model ({', '.join(f'{k} {v}' for k, v in told.items())}) cannot be written as "
            "ONNX.",
            "Use a BERT encoder with absolute positions and the exact GELU.",
        )


class _Graph:
    """Nodes and constants, added one after the other; each is known by its name."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:  # noqa: ANN401
        """Add a node; return the name of what comes out."""
        from onnx import helper

        name = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, **attributes))
        return name

    def constant(self, values: Any, name: str = "") -> str:  # noqa: ANN401
        """Add a constant of int64 or float32."""
        from onnx import numpy_helper

        array = np.asarray(values)
        kind = np.int64 if array.dtype.kind == "i" else np.float32
        name = name or f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array, kind), name))
        return name

    def linear(self, x: str, weight: Array, bias: Array, name: str = "") -> str:
        """Return x times a matrix [in, out], plus a bias."""
        product = self.add("MatMul", x, self.constant(weight, name and f"{name}.weight"))
        return self.add("Add", product, self.constant(bias, name and f"{name}.bias"))


class _Encoder:
    """Builds one layer after the other."""

    def __init__(self, weights: Weights, graph: _Graph) -> None:
        self._weights, self._graph = weights, graph
        self._prefix = "" if "embeddings.word_embeddings.weight" in weights else "bert."
        config = weights.config
        self._heads: int = config["num_attention_heads"]
        self._width: int = config["hidden_size"]
        self._layers: int = config["num_hidden_layers"]
        self._epsilon = float(config.get("layer_norm_eps", 1e-12))

    def tokens(self) -> str:
        """Return the vectors of tokens, [batch, tokens, width]."""
        x = self._embedded()
        mask = self._graph.add("Cast", INPUTS[1], to=1)
        hidden = self._graph.add("Sub", self._graph.constant(1.0), mask)
        hidden = self._graph.add("Mul", hidden, self._graph.constant(UNSEEN))
        hidden = self._graph.add("Unsqueeze", hidden, self._graph.constant([1, 2]))
        for layer in range(self._layers):
            x = self._layer(x, hidden, f"encoder.layer.{layer}")
        return x

    def mean(self, tokens: str) -> str:
        """Return the mean of the real tokens, scaled to length 1, [batch, width]."""
        add, constant = self._graph.add, self._graph.constant
        real = add("Unsqueeze", add("Cast", INPUTS[1], to=1), constant([2]))
        total = add("ReduceSum", add("Mul", tokens, real), constant([1]), keepdims=0)
        mean = add("Div", total, add("ReduceSum", real, constant([1]), keepdims=0))
        return add("LpNormalization", mean, axis=-1, p=2)

    def _embedded(self) -> str:
        add, constant = self._graph.add, self._graph.constant
        words = constant(self._take("embeddings.word_embeddings.weight"), "words")
        places = self._take("embeddings.position_embeddings.weight")
        types = self._take("embeddings.token_type_embeddings.weight")
        length = add("Slice", add("Shape", INPUTS[0]), constant([1]), constant([2]))
        positions = constant(places + types[:1], "positions")
        place = add("Slice", positions, constant([0]), length, constant([0]))
        word = add("Gather", words, INPUTS[0])
        return self._norm(add("Add", word, place), "embeddings.LayerNorm")

    def _layer(self, x: str, hidden: str, name: str) -> str:
        add, constant = self._graph.add, self._graph.constant
        width = self._width // self._heads
        split = constant([0, 0, self._heads, width])
        q, k, v = (
            add("Transpose", add("Reshape", self._linear(x, f"{name}.{part}"), split), perm=order)
            for part, order in (
                ("attention.self.query", [0, 2, 1, 3]),
                ("attention.self.key", [0, 2, 3, 1]),
                ("attention.self.value", [0, 2, 1, 3]),
            )
        )
        scores = add("Div", add("MatMul", q, k), constant(float(np.sqrt(width))))
        shares = add("Softmax", add("Add", scores, hidden), axis=-1)
        y = add("Transpose", add("MatMul", shares, v), perm=[0, 2, 1, 3])
        y = add("Reshape", y, constant([0, 0, self._width]))
        y = self._linear(y, f"{name}.attention.output.dense")
        x = self._norm(add("Add", x, y), f"{name}.attention.output.LayerNorm")
        y = self._gelu(self._linear(x, f"{name}.intermediate.dense"))
        y = self._linear(y, f"{name}.output.dense")
        return self._norm(add("Add", x, y), f"{name}.output.LayerNorm")

    def _gelu(self, x: str) -> str:
        """Return the exact GELU, in the form that ONNX Runtime makes one step of."""
        add, constant = self._graph.add, self._graph.constant
        error = add("Erf", add("Div", x, constant(float(np.sqrt(2)))))
        doubled = add("Mul", x, add("Add", error, constant(1.0)))
        return add("Mul", doubled, constant(0.5))

    def _linear(self, x: str, name: str) -> str:
        weight, bias = self._take(f"{name}.weight"), self._take(f"{name}.bias")
        return self._graph.linear(x, weight.T, bias, name)

    def _norm(self, x: str, name: str) -> str:
        scale = self._graph.constant(self._take(f"{name}.weight"))
        shift = self._graph.constant(self._take(f"{name}.bias"))
        return self._graph.add(
            "LayerNormalization", x, scale, shift, axis=-1, epsilon=self._epsilon
        )

    def _take(self, name: str) -> Array:
        """Return a tensor; matrices have the 16 bits of the form that runs here."""
        found = self._weights.take(f"{self._prefix}{name}")
        return found.astype(np.float16).astype(np.float32) if found.ndim == 2 else found
