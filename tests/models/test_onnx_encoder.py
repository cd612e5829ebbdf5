"""ONNX files as they are written: the vectors and probabilities of the form that runs here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inhouse.core.errors import BadInput
from inhouse.models.chat_format import load_tokenizer
from inhouse.models.classifier import Linear
from inhouse.models.heads import Head
from inhouse.models.load import load_embedder
from inhouse.models.local_classifier import LocalClassifier
from inhouse.models.onnx_encoder import write_onnx
from inhouse.models.weights import Weights, open_weights
from models.conftest import run_build

TEXTS = ["The price is seven.", "Thirty days a year, and " * 2, "x"]


@pytest.fixture
def runtime() -> Any:
    return pytest.importorskip("onnxruntime")


def asked(runtime: Any, file: Path, folder: Path, texts: list[str]) -> dict[str, np.ndarray]:
    tokenizer = load_tokenizer(folder)
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(texts)
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    given = {
        "input_ids": np.array([one.ids for one in encoded], np.int64),
        "attention_mask": np.array([one.attention_mask for one in encoded], np.int64),
    }
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, given), strict=True))


def check_agrees(runtime: Any, source: Path, folder: Path) -> None:
    embedder = load_embedder(folder)
    chance = np.random.default_rng(3)
    head = chance.normal(size=(embedder.width + 1, 3)).astype(np.float32)
    linear = Linear(["a", "b", "c"], head)
    file = folder / "model.onnx"
    write_onnx(open_weights(source), file, linear)
    found = asked(runtime, file, source, TEXTS)
    np.testing.assert_allclose(found["sentence_embedding"], embedder.embed(TEXTS), atol=1e-4)
    wanted = LocalClassifier("c", embedder, Head(linear, 0.0)).classify(TEXTS)
    np.testing.assert_allclose(found["probabilities"], wanted, atol=1e-4)
    for place, text in enumerate(TEXTS):
        alone = asked(runtime, file, source, [text])
        near = found["sentence_embedding"][place : place + 1]
        np.testing.assert_allclose(alone["sentence_embedding"], near, atol=1e-6)


def test_vectors_and_probabilities_are_those_of_the_served_form(
    runtime: Any, tiny_weights: Path, tmp_path: Path
) -> None:
    run_build(tiny_weights, tmp_path)
    check_agrees(runtime, tiny_weights, tmp_path)


@pytest.mark.weights
def test_the_built_in_embedder_agrees(runtime: Any, embedder_weights: Path, tmp_path: Path) -> None:
    run_build(embedder_weights, tmp_path)
    check_agrees(runtime, embedder_weights, tmp_path)


def test_other_encoders_are_refused(runtime: Any, tiny_weights: Path, tmp_path: Path) -> None:
    weights = open_weights(tiny_weights)
    other = Weights(dict(weights.config) | {"hidden_act": "relu"}, {}, weights.take)
    with pytest.raises(BadInput, match="activation relu"):
        write_onnx(other, tmp_path / "model.onnx")
