"""Tensors out of safetensors and GGUF."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import quantize

from inhouse.core.errors import BadInput
from inhouse.models.gguf_file import GgufFile
from inhouse.models.weights import open_weights

WIDTH, HEADS, KV_HEADS, VOCABULARY = 64, 4, 2, 96


def write_safetensors(path: Path, entries: dict[str, tuple[str, list[int], bytes]]) -> None:
    header, data = {}, b""
    for name, (dtype, shape, raw) in entries.items():
        span = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": span}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    (path.parent / "config.json").write_text("{}")


def permute(x: np.ndarray, heads: int) -> np.ndarray:
    """Order rows of q and k as llama.cpp's converter does."""
    halves = x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:])
    return halves.swapaxes(1, 2).reshape(x.shape)


@pytest.fixture
def tensors() -> dict[str, np.ndarray]:
    """One layer of a Llama under Hugging Face names."""
    draw = np.random.default_rng(7)
    kv = WIDTH // HEADS * KV_HEADS
    shapes = {
        "model.embed_tokens.weight": (VOCABULARY, WIDTH),
        "model.layers.0.self_attn.q_proj.weight": (WIDTH, WIDTH),
        "model.layers.0.self_attn.k_proj.weight": (kv, WIDTH),
        "model.layers.0.mlp.down_proj.weight": (WIDTH, 2 * WIDTH),
        "model.norm.weight": (WIDTH,),
    }
    return {n: draw.standard_normal(s).astype(np.float32) for n, s in shapes.items()}


@pytest.fixture
def gguf(tmp_path: Path, tensors: dict[str, np.ndarray]) -> Path:
    writer = GGUFWriter(tmp_path / "model.gguf", "llama")
    writer.add_context_length(32)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_eos_token_id(3)
    writer.add_eot_token_id(5)
    by_name = iter(tensors.values())
    writer.add_tensor("token_embd.weight", next(by_name).astype(np.float16))
    writer.add_tensor("blk.0.attn_q.weight", permute(next(by_name), HEADS))
    writer.add_tensor("blk.0.attn_k.weight", permute(next(by_name), KV_HEADS))
    packed = quantize(next(by_name), GGMLQuantizationType.Q8_0)
    writer.add_tensor("blk.0.ffn_down.weight", packed, raw_dtype=GGMLQuantizationType.Q8_0)
    writer.add_tensor("output_norm.weight", next(by_name))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tmp_path / "model.gguf"


def test_all_float_types_are_read(tmp_path: Path) -> None:
    wanted = np.array([[1.5, -2.0], [0.25, 3.0]], np.float32)
    bf16 = (wanted.view(np.uint32) >> 16).astype("<u2").tobytes()
    write_safetensors(
        tmp_path / "model.safetensors",
        {
            "a": ("F32", [2, 2], wanted.tobytes()),
            "b": ("BF16", [2, 2], bf16),
            "c": ("F16", [2, 2], wanted.astype("<f2").tobytes()),
        },
    )
    weights = open_weights(tmp_path)
    for name in "abc":
        np.testing.assert_array_equal(weights.take(name, 2, 2), wanted)
    weights.check_all_taken()
    assert weights.parameters == 12


def test_shards_are_one_model(tmp_path: Path) -> None:
    one = np.ones(1, np.float32).tobytes()
    write_safetensors(tmp_path / "model-00001-of-00002.safetensors", {"a": ("F32", [1], one)})
    write_safetensors(tmp_path / "model-00002-of-00002.safetensors", {"b": ("F32", [1], one)})
    weights = open_weights(tmp_path)
    assert "a" in weights
    assert "b" in weights
    write_safetensors(tmp_path / "model-00002-of-00002.safetensors", {"a": ("F32", [1], one)})
    with pytest.raises(BadInput, match="repeats the tensor a"):
        open_weights(tmp_path)


def test_what_is_missing_misshapen_or_left_over_is_named(tmp_path: Path) -> None:
    one = np.ones(2, np.float32).tobytes()
    write_safetensors(tmp_path / "model.safetensors", {"a": ("F32", [2], one)})
    weights = open_weights(tmp_path)
    with pytest.raises(BadInput, match="tensor b is missing"):
        weights.take("b")
    with pytest.raises(BadInput, match="has the shape"):
        weights.take("a", 3)
    with pytest.raises(BadInput, match="a among them"):
        weights.check_all_taken()
    weights.check_all_taken(but=("a",))


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 80]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [2], "data_offsets": [4, 0]},
        {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]},
        {"dtype": "F32"},
        "x",
    ],
)
def test_a_table_that_does_not_fit_the_file_is_refused(entry: object, tmp_path: Path) -> None:
    text = json.dumps({"a": entry}).encode()
    raw = len(text).to_bytes(8, "little") + text + bytes(8)
    (tmp_path / "model.safetensors").write_bytes(raw)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BadInput, match="named like safetensors"):
        open_weights(tmp_path)


def test_gguf_comes_back_as_it_was_before_conversion(
    gguf: Path, tensors: dict[str, np.ndarray]
) -> None:
    weights = open_weights(gguf.parent)
    for name, wanted in tensors.items():
        exact = "embed" not in name and "down" not in name
        tolerance = 0.0 if exact else 0.03
        np.testing.assert_allclose(weights.take(name, *wanted.shape), wanted, atol=tolerance)
    weights.check_all_taken()
    assert weights.config["tie_word_embeddings"] is True
    assert weights.config["eos_token_id"] == [3, 5]
    assert weights.config["head_dim"] == WIDTH // HEADS


def test_a_cut_or_damaged_gguf_file_is_one_sentence(gguf: Path, tmp_path: Path) -> None:
    whole = gguf.read_bytes()
    broken = tmp_path / "broken.gguf"
    draw = random.Random(3)
    refused = 0
    for trial in range(120):
        content = bytearray(whole[: draw.randrange(8, 400)] if trial % 2 else whole)
        for _ in range(3):
            content[draw.randrange(4, min(len(content), 400))] = draw.randrange(256)
        broken.write_bytes(content)
        try:
            GgufFile(broken)
        except BadInput:
            refused += 1
    assert refused > 60
