"""Adapters merged into the weights: on, off, and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inhouse.core.errors import BadInput
from inhouse.models.adapter import merged
from inhouse.models.weights import open_weights
from models.conftest import run_build, run_ready
from models.test_families import greedy

pytestmark = pytest.mark.train
PROMPTS = [[*range(3, 8)], [*range(40, 73)]]
CONFIG = {"peft_type": "LORA", "r": 4, "lora_alpha": 16, "bias": "none", "modules_to_save": None}


def made(folder: Path, weights: Path, spread: float = 0.3, **change: Any) -> Path:
    """Write a random adapter of rank 4 on two kinds of layers, as PEFT does."""
    from safetensors.numpy import save_file

    base, draw, tensors = open_weights(weights), np.random.default_rng(3), {}
    for name in base.names:
        if "q_proj.weight" in name or "down_proj.weight" in name:
            stem = f"base_model.model.{name.removesuffix('.weight')}"
            out, into = base.take(name).shape
            tensors[f"{stem}.lora_A.weight"] = draw.normal(0, spread, (4, into)).astype(np.float32)
            tensors[f"{stem}.lora_B.weight"] = draw.normal(0, spread, (out, 4)).astype(np.float32)
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG | change))
    return folder


async def test_a_merged_adapter_gives_the_tokens_of_transformers(
    tiny: Callable[..., Path], tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    from inhouse.models.openvino.engine import OpenVINOEngine
    from inhouse.models.transformers_engine import TransformersEngine

    weights = tiny("Llama")
    adapter = made(tmp_path / "adapter", weights)
    run_build(weights, tmp_path / "off", "f32")
    run_build(weights, tmp_path / "on", "f32", adapter)
    run_ready(weights, tmp_path / "ready", "transformers", adapter)
    reference = TransformersEngine.load(weights)
    # Added by hand here: layer by layer, in torch.
    plain = AutoModelForCausalLM.from_pretrained(weights, dtype="float32")
    tensors = open_weights_of(adapter)
    for name, value in plain.named_parameters():
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{stem}.lora_A.weight" in tensors:
            a, b = (tensors[f"{stem}.lora_{half}.weight"] for half in "AB")
            value.data += 16 / 4 * (b @ a)
    found = {}
    for name in ("off", "on"):
        engine = OpenVINOEngine(tmp_path / name, exact=True, threads=2)
        found[name] = await greedy(engine, PROMPTS)
        await engine.close()
    assert found["off"] == await greedy(reference, PROMPTS)
    reference._model = plain.eval()
    assert found["on"] == await greedy(reference, PROMPTS)
    assert found["on"] != found["off"]
    assert found["on"] == await greedy(TransformersEngine.load(tmp_path / "ready"), PROMPTS)


def open_weights_of(adapter: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    found: dict[str, Any] = load_file(adapter / "adapter_model.safetensors")
    return found


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"bias": "all"}, "bias"),
        ({"peft_type": "IA3"}, "not plain LoRA"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
    ],
)
def test_what_is_more_than_lora_is_refused(
    change: dict[str, Any], reason: str, tiny: Callable[..., Path], tmp_path: Path
) -> None:
    weights = tiny("Llama")
    adapter = made(tmp_path / "adapter", weights, **change)
    with pytest.raises(BadInput, match=reason):
        merged(open_weights(weights), adapter)


def test_an_adapter_of_another_model_is_refused(tiny: Callable[..., Path], tmp_path: Path) -> None:
    weights = tiny("Llama")
    adapter = made(tmp_path / "adapter", weights)
    config = json.loads((weights / "config.json").read_text())
    other = tiny("Qwen2", hidden_size=32, num_hidden_layers=1)
    assert config["hidden_size"] == 64
    with pytest.raises(BadInput, match=r"does not have|another shape"):
        found = merged(open_weights(other), adapter)
        found.take("model.layers.0.self_attn.q_proj.weight")


async def test_vllm_is_given_the_merged_weights(tiny: Callable[..., Path], tmp_path: Path) -> None:
    """It reads safetensors, so what it is shown is what the others run."""
    weights = tiny("Llama")
    adapter = made(tmp_path / "adapter", weights)
    run_ready(weights, tmp_path / "ready", "vllm", adapter)
    wanted, found = merged(open_weights(weights), adapter), open_weights(tmp_path / "ready")
    assert set(wanted.names) == set(found.names)
    assert all((wanted.take(name) == found.take(name)).all() for name in wanted.names)
    assert (tmp_path / "ready" / "tokenizer.json").is_file()


def test_llama_server_takes_no_adapter_and_says_so(
    tiny: Callable[..., Path], tmp_path: Path
) -> None:
    weights = tiny("Llama")
    with pytest.raises(BadInput, match="takes no adapter"):
        run_ready(weights, tmp_path / "ready", "llama", made(tmp_path / "adapter", weights))
