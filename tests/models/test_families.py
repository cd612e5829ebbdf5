"""Built graphs against transformers: the same tokens from tiny models of each family."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inhouse.core.errors import BadInput, NotSetUp
from inhouse.core.nouns import Message
from inhouse.core.protocols import Sampling
from inhouse.models.engine import Engine, Request
from inhouse.models.language import LocalModel
from inhouse.models.load import load_embedder, load_language
from models.conftest import run_build

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 32,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {"tie_word_embeddings": False}),
    "llama3-scaling": ("Llama", {"rope_parameters": LLAMA3, "attention_bias": True}),
    "yarn-scaling": ("Llama", {"rope_parameters": YARN}),
    "mistral": ("Mistral", {"sliding_window": None, "head_dim": 32}),
    "qwen2": ("Qwen2", {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3", {"head_dim": 32}),
}

pytestmark = pytest.mark.train


async def greedy(engine: Engine, prompts: list[list[int]], count: int = 24) -> list[list[int]]:
    async def one(prompt: list[int]) -> list[int]:
        request = Request(prompt, Sampling(max_tokens=count), frozenset({255}))
        return [step.token async for step in engine.submit(request)]

    return await asyncio.gather(*map(one, prompts))


async def answers(model: LocalModel, texts: list[str], count: int = 24) -> list[tuple[str, object]]:
    async def one(text: str) -> tuple[str, object]:
        sampling = Sampling(max_tokens=count)
        found = [p async for p in model.chat([Message("user", text)], sampling)]
        return "".join(p.text for p in found), found[-1].usage

    return await asyncio.gather(*map(one, texts))


@pytest.mark.parametrize("case", FAMILIES)
async def test_built_graph_gives_the_tokens_of_transformers(
    case: str, tiny: Callable[..., Path], tmp_path: Path
) -> None:
    from inhouse.models.openvino.engine import OpenVINOEngine
    from inhouse.models.transformers_engine import TransformersEngine

    family, change = FAMILIES[case]
    pulled = tiny(family, **change)
    run_build(pulled, tmp_path / "built", "f32")
    prompts = [[*range(start, start + length)] for start, length in ((3, 5), (40, 33), (7, 70))]
    reference = TransformersEngine.load(pulled)
    engine = OpenVINOEngine(tmp_path / "built", exact=True, threads=2)
    try:
        assert await greedy(engine, prompts) == await greedy(reference, prompts)
    finally:
        await engine.close()


@pytest.mark.parametrize(
    ("family", "change", "reason"),
    [
        ("Mistral", {"sliding_window": 16}, "sliding window of 16"),
        ("Llama", {"rope_parameters": YARN | {"mscale": 0.7}}, "positions by 'yarn'"),
        ("Llama", {"hidden_act": "gelu"}, "activation 'gelu'"),
        ("Gemma", {}, "family 'gemma'"),
    ],
)
def test_what_cannot_be_built_is_refused(
    family: str, change: dict[str, Any], reason: str, tiny: Callable[..., Path], tmp_path: Path
) -> None:
    pulled = tiny(family, **change)
    with pytest.raises(BadInput, match=reason):
        run_build(pulled, tmp_path / "built")


def test_a_tensor_without_a_place_is_refused(tiny: Callable[..., Path], tmp_path: Path) -> None:
    pulled = tiny("Qwen2", tie_word_embeddings=False, num_hidden_layers=3)
    config = json.loads((pulled / "config.json").read_text())
    (pulled / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2}))
    with pytest.raises(BadInput, match=r"no place.*model\.layers\.2"):
        run_build(pulled, tmp_path / "built")


async def test_loading_the_wrong_folder_is_one_sentence(
    tiny: Callable[..., Path], tmp_path: Path
) -> None:
    pulled = tiny("Llama")
    with pytest.raises(BadInput, match="holds no built model"):
        load_language(pulled, name="x")
    with pytest.raises(BadInput, match="holds no built model"):
        load_embedder(pulled)
    run_build(pulled, tmp_path / "built")
    (tmp_path / "built" / "openvino_model.bin").write_bytes(b"")
    with pytest.raises(NotSetUp, match="cannot be loaded"):
        load_language(tmp_path / "built", name="x")


async def test_the_transformers_engine_speaks_like_any_other(tiny: Callable[..., Path]) -> None:
    model = load_language(tiny("Llama"), name="x", engine="transformers", threads=1)
    assert model.context_tokens == 128
    first, second = await answers(model, ["abc", "abc"])
    assert first == second
    sampled = Sampling(max_tokens=8, temperature=1.5, top_p=0.9, seed=4)
    twice = [
        [p.text async for p in model.chat([Message("user", "abc")], sampled)] for _ in range(2)
    ]
    assert twice[0] == twice[1]
    await model.close()


async def test_a_small_cache_still_finishes_everything(
    tiny: Callable[..., Path], tmp_path: Path
) -> None:
    run_build(tiny("Llama"), tmp_path / "built", "f32")
    per_token = 2 * 2 * 2 * 16 * 4
    model = load_language(
        tmp_path / "built", name="x", exact=True, threads=2, cache_gib=per_token * 96 / 2**30
    )
    try:
        assert model.context_tokens == 96
        texts = ["a" * n for n in (20, 30, 40, 50)]
        together = await answers(model, texts, 40)
        assert together == [(await answers(model, [t], 40))[0] for t in texts]
    finally:
        await model.close()


def test_building_again_gives_the_same_bytes(tiny: Callable[..., Path], tmp_path: Path) -> None:
    source = tiny("Llama")
    for name in ("one", "two"):
        run_build(source, tmp_path / name)
    one = tmp_path / "one"
    files = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert Path("openvino_model.xml") in files
    assert Path("vocabulary/openvino_detokenizer.xml") in files
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
