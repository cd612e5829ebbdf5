"""The built-in language model, served."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from inhouse.core.errors import BadInput, InhouseError, NotSetUp, TooLong
from inhouse.core.nouns import Message
from inhouse.core.protocols import Piece, Sampling
from inhouse.models.engine import Request
from inhouse.models.language import LocalModel
from inhouse.models.load import load_language
from inhouse.models.openvino import engine
from models.conftest import run_build

PROMPTS = [
    "What is the capital of France?",
    "Write a haiku about autumn.",
    "List three primary colours.",
    "Explain gravity to a child.",
    "Translate 'good morning' to French.",
    "What is 12 + 30?",
    "Name a famous painter.",
    "Why is the sky blue?",
    "Give me a recipe for pancakes.",
    "Who wrote Hamlet?",
    "Summarise: the meeting moved to 3 pm on 14 May 2025.",
    "What does HTTP stand for?",
    "Tell me a joke about cats.",
    "Is water wet?",
    "Write a Python function that adds two numbers.",
    "Describe the sea in one sentence.",
]

pytestmark = pytest.mark.weights


async def ask(model: LocalModel, text: str, **settings: object) -> tuple[str, Piece]:
    sampling = Sampling(**({"max_tokens": 32} | settings))  # type: ignore[arg-type]
    found = [p async for p in model.chat([Message("user", text)], sampling)]
    assert all(p.finish is None for p in found[:-1])
    return "".join(p.text for p in found), found[-1]


async def test_together_is_as_alone(exact_model: LocalModel) -> None:
    alone = [await ask(exact_model, p, max_tokens=16) for p in PROMPTS[:8]]
    together = await asyncio.gather(*(ask(exact_model, p, max_tokens=16) for p in PROMPTS[:8]))
    assert together == alone


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "most", "same"), [("int8", 0.02, 0.9), ("int4", 0.3, 0.6)])
def test_fewer_bits_stay_near_the_original(
    language_weights: Path,
    smollm_f32: Path,
    tmp_path: Path,
    precision: str,
    most: float,
    same: float,
) -> None:
    """The mean divergence from float32 (Kullback-Leibler) on a page of our own is small."""
    run_build(language_weights, tmp_path, precision)
    page = Path(__file__).parents[2] / "docs" / "concepts.md"
    ids = load_ids(smollm_f32, page.read_text(encoding="utf-8"))[:600]
    exact, small = log_probabilities(smollm_f32, ids), log_probabilities(tmp_path, ids)
    divergence = (np.exp(exact) * (exact - small)).sum(-1)
    assert divergence.mean() < most
    assert (exact.argmax(-1) == small.argmax(-1)).mean() > same


def load_ids(folder: Path, text: str) -> list[int]:
    from inhouse.models.chat_format import load_tokenizer

    return list(load_tokenizer(folder).encode(text).ids)


def log_probabilities(folder: Path, ids: list[int]) -> np.ndarray:
    """Run the graph without paged attention: that must work too."""
    import inhouse.models.openvino  # noqa: F401
    from openvino import Core  # isort: skip

    options = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
    model = Core().compile_model(folder / "openvino_model.xml", "CPU", options)
    whole = np.array([ids], np.int64)
    logits = model(
        {
            "input_ids": whole,
            "attention_mask": np.ones_like(whole),
            "position_ids": np.arange(len(ids))[None],
            "beam_idx": np.zeros(1, np.int32),
        }
    )["logits"][0].astype(np.float64)
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


async def test_it_answers(int8_model: LocalModel) -> None:
    text, last = await ask(int8_model, PROMPTS[0])
    assert "Paris" in text
    assert last.finish == "stop"
    assert last.usage is not None
    assert last.usage.prompt_tokens == int8_model.count([Message("user", PROMPTS[0])])
    assert int8_model.context_tokens == 8192


async def test_length_is_told_from_stop(int8_model: LocalModel) -> None:
    text, last = await ask(int8_model, PROMPTS[8], max_tokens=5)
    assert last.finish == "length"
    assert last.usage is not None
    assert last.usage.completion_tokens == 5
    assert text


async def test_too_long_a_prompt_is_refused_before_the_engine(int8_model: LocalModel) -> None:
    words = "word " * 9000
    with pytest.raises(TooLong, match="more than the 8191 that fit"):
        await ask(int8_model, words)
    with pytest.raises(BadInput, match="There are no messages"):
        async for _ in int8_model.chat([], Sampling()):
            pass


async def test_leaving_early_aborts(int8_model: LocalModel) -> None:
    engine = int8_model._engine
    for _ in range(20):
        sampling = Sampling(max_tokens=4000)
        async with aclosing(int8_model.chat([Message("user", PROMPTS[8])], sampling)) as pieces:
            async for piece in pieces:
                assert piece.text
                break
    assert not engine._streams  # type: ignore[attr-defined]
    # Were those twenty still running, this would wait for 80,000 tokens.
    async with asyncio.timeout(60):
        await ask(int8_model, PROMPTS[0])


@pytest.mark.slow
async def test_the_loop_stays_free_while_a_prompt_is_read(int8_model: LocalModel) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.002)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await ask(int8_model, "word " * 1500, max_tokens=1)
    ticking.cancel()
    assert ticks > 20


async def test_a_dead_worker_is_said_so(smollm_folder: Path) -> None:
    model = load_language(smollm_folder, name="x", threads=2)
    pieces = model.chat([Message("user", PROMPTS[8])], Sampling(max_tokens=4000))
    await anext(pieces)
    model._engine._process.kill()  # type: ignore[attr-defined]
    with pytest.raises(InhouseError, match="engine has stopped"):
        async for _ in pieces:
            pass
    with pytest.raises(InhouseError, match="engine has stopped"):
        await ask(model, PROMPTS[0])
    await model.close()


async def test_settings_that_the_engine_cannot_use_harm_nobody_else(int8_model: LocalModel) -> None:
    other = asyncio.create_task(ask(int8_model, "Say hello.", max_tokens=20))
    with pytest.raises(BadInput, match="top_p"):
        await ask(int8_model, "Say hello.", temperature=0.5, top_p=1e-50)
    with pytest.raises(BadInput, match="temperature"):
        await ask(int8_model, "Say hello.", temperature=1e-50)
    engine = int8_model._engine  # past the check that guards it
    request = Request([1, 2, 3], Sampling(temperature=0.5, top_p=1e-50), frozenset({2}))
    with pytest.raises(BadInput, match="sampling settings"):
        async for _ in engine.submit(request):
            pass
    assert (await other)[0]


def test_a_model_that_is_never_loaded_is_given_up(
    smollm_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "START_SECONDS", 0.01)
    with pytest.raises(NotSetUp, match="cannot be loaded"):
        load_language(smollm_folder, name="smol", threads=1)


async def test_what_is_found_in_the_cache_is_counted(int8_model: LocalModel) -> None:
    draw = np.random.default_rng(7)
    prompt = draw.integers(300, 40_000, 500).tolist()

    async def cached(tokens: list[int]) -> int:
        before = int8_model.stats().cached or 0
        async for _ in int8_model.complete(tokens, Sampling(max_tokens=40)):
            pass
        return (int8_model.stats().cached or 0) - before

    assert await cached(prompt) == 0
    assert await cached(prompt) == 480, "whole blocks of 32"
    assert await cached([*prompt[:100], *prompt[:100]]) == 96
    assert await cached(prompt[1:]) == 0
