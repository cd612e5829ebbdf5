"""What every engine must do alike, tried on the built-in language model in float32."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from inhouse.core.errors import BadInput, TooLong
from inhouse.core.nouns import Message
from inhouse.core.protocols import Constraint, ConstraintKind, Piece, Sampling, TokenScore
from inhouse.models.engine import Branches, Request
from inhouse.models.language import LocalModel
from inhouse.models.load import load_language
from models.conftest import run_build, run_ready
from models.test_adapter import made
from models.test_language import PROMPTS

TEXT = "The café on the corner opens at seven 🙂. Its owner, a retired teacher, bakes bread."

pytestmark = [pytest.mark.weights, pytest.mark.train]


ENGINES = {
    "openvino": "exact_model",
    "llama": "llama_model",
    "transformers": "reference_model",
}
SLOW = pytest.param("transformers", marks=pytest.mark.slow)


@pytest.fixture(params=["openvino", "llama", SLOW])
def model(request: pytest.FixtureRequest) -> LocalModel:
    """The same weights on each engine."""
    found: LocalModel = request.getfixturevalue(ENGINES[request.param])
    return found


@pytest.fixture(params=["openvino", "llama"])
def ours(request: pytest.FixtureRequest) -> LocalModel:
    """The engines that are compared with transformers, and keep to grammars."""
    found: LocalModel = request.getfixturevalue(ENGINES[request.param])
    return found


async def ask(model: LocalModel, text: str, **settings: Any) -> tuple[str, list[Piece]]:
    sampling = Sampling(**({"max_tokens": 12} | settings))
    found = [p async for p in model.chat([Message("user", text)], sampling)]
    return "".join(p.text for p in found), found


def scores_of(pieces: list[Piece]) -> list[TokenScore]:
    return [token for piece in pieces for token in piece.tokens]


async def test_float32_gives_the_tokens_of_transformers(
    ours: LocalModel, reference_model: LocalModel
) -> None:
    """Each token of ours is the one that transformers finds likeliest after those before it."""
    import torch

    prompts = [ours._format.encode([Message("user", p)]) for p in PROMPTS]

    async def greedy(prompt: list[int]) -> list[int]:
        request = Request(prompt, Sampling(max_tokens=32), ours._stops)
        return [step.token async for step in ours._engine.submit(request)]

    found = await asyncio.gather(*map(greedy, prompts))
    for prompt, answer in zip(prompts, found, strict=True):
        with torch.inference_mode():
            logits = reference_model._engine._logits(prompt + answer[:-1])  # type: ignore[attr-defined]
        assert answer == logits[len(prompt) - 1 :].argmax(-1).tolist()


@pytest.mark.parametrize(("name", "exact"), [("openvino", 1e-3), ("llama", 0.05)])
async def test_scores_are_those_of_transformers(
    request: pytest.FixtureRequest, reference_model: LocalModel, name: str, exact: float
) -> None:
    """llama-server adds up the chances of all words in float32, which costs some digits."""
    ours: LocalModel = request.getfixturevalue(ENGINES[name])
    text = " ".join([TEXT, *PROMPTS])  # longer than what is read at once
    mine, theirs = [await m.score(text, top=3) for m in (ours, reference_model)]
    assert len(mine) > 130
    assert [t.id for t in mine] == [t.id for t in theirs]
    assert mine[0].logprob is theirs[0].logprob is None
    total, wanted = (sum(t.logprob or 0 for t in found) for found in (mine, theirs))
    assert total == pytest.approx(wanted, abs=exact)
    for one, other in zip(mine, theirs, strict=True):
        assert [c.id for c in one.top] == [c.id for c in other.top]


async def test_scored_tokens_are_the_text(model: LocalModel) -> None:
    scores = await model.score(TEXT, top=2)
    assert b"".join(t.raw for t in scores).decode() == TEXT
    for token in scores:
        if not token.raw.startswith(b"\x9f"):  # the second half of a character
            assert TEXT.startswith(token.raw.decode(errors="ignore"), token.start)
    likely = [t for t in scores[1:] if t.top[0].id == t.id]
    assert all(t.top[0].logprob == pytest.approx(t.logprob) for t in likely)
    assert await model.score([t.id for t in scores], top=2) == scores
    (alone,) = await model.score([5])
    assert alone.logprob is None


async def test_log_probabilities_of_an_answer_are_those_of_its_text(model: LocalModel) -> None:
    text, pieces = await ask(model, PROMPTS[0], logprobs=2, repetition_penalty=1.2)
    written = scores_of(pieces)
    assert b"".join(t.raw for t in written).decode() == text
    prompt = model._format.encode([Message("user", PROMPTS[0])])
    scored = await model.score([*prompt, *(t.id for t in written)], top=2)
    for one, other in zip(written, scored[len(prompt) :], strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=2e-3)
        assert [c.id for c in one.top] == [c.id for c in other.top]
    _, plain = await ask(model, PROMPTS[0], max_tokens=2, logprobs=0)
    assert [t.top for t in scores_of(plain)] == [(), ()]
    _, silent = await ask(model, PROMPTS[0], max_tokens=2)
    assert scores_of(silent) == []


async def test_endings_have_the_scores_of_their_whole_texts(model: LocalModel) -> None:
    """What is read once for all of them changes none; llama-server adds chances up in float32."""
    text = f"Text: {TEXT}\nLabel:"
    endings = [" a bakery", " bread", " card payment fee charged", " 🙂", " a bakery"]
    found, read = await model.score_endings(text, endings)
    wanted = []
    for ending in endings:
        scores = await model.score(text + ending)
        wanted.append([t.logprob for t in scores if t.start >= len(text)])
    assert [len(each) for each in found] == [len(each) for each in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one == pytest.approx(other, abs=2e-3)
    assert found[0] == pytest.approx(found[-1], abs=1e-5)
    if isinstance(model._engine, Branches):
        assert read < 2 * len(model._format.tokenizer.encode(text).ids)
    with pytest.raises(TooLong):
        await model.score_endings("a " * model.context_tokens, ["b"])


async def test_many_endings_behind_a_long_text(exact_model: LocalModel) -> None:
    """More than are read at once, of both."""
    text, endings = (f"{TEXT} " * 12).strip(), [f" {'very ' * (n % 9)}{n}" for n in range(60)]
    found, _ = await exact_model.score_endings(text, endings)
    for place in (0, 59):
        scores = await exact_model.score(text + endings[place])
        wanted = [t.logprob for t in scores if t.start >= len(text)]
        assert found[place] == pytest.approx(wanted, abs=2e-3)


async def test_stop_strings_end_the_answer(model: LocalModel) -> None:
    whole, _ = await ask(model, PROMPTS[2])
    stop = whole[8:12]
    text, pieces = await ask(model, PROMPTS[2], stop=(stop,))
    assert text == whole[: whole.find(stop)]
    assert pieces[-1].finish == "stop"


async def test_seeds_repeat_and_samples_differ(model: LocalModel) -> None:
    settings = {"temperature": 1.2, "top_p": 0.95, "top_k": 40, "min_p": 0.01, "max_tokens": 8}
    one, _ = await ask(model, PROMPTS[1], seed=5, **settings)
    assert one == (await ask(model, PROMPTS[1], seed=5, **settings))[0]
    others = {(await ask(model, PROMPTS[1], **settings))[0] for _ in range(3)}
    assert len(others) > 1


async def test_a_seed_holds_when_the_model_is_opened_anew(smollm_folder: Path) -> None:
    """What is promised of the default engine in its default precision, if nobody else asks."""
    settings = {"temperature": 1.2, "top_p": 0.95, "max_tokens": 24}
    found = []
    for _ in range(2):
        model = load_language(smollm_folder, name="base")
        try:
            found.append((await ask(model, PROMPTS[1], seed=5, **settings))[0])
            assert (await ask(model, PROMPTS[1], seed=6, **settings))[0] != found[0]
            found.append((await ask(model, PROMPTS[1], seed=5, **settings))[0])
        finally:
            await model.close()
    assert len(set(found)) == 1


async def test_narrow_sampling_is_greedy(model: LocalModel) -> None:
    greedy, _ = await ask(model, PROMPTS[8], max_tokens=6)
    for settings in ({"top_k": 1}, {"min_p": 0.999}, {"top_p": 0.001}):
        assert (await ask(model, PROMPTS[8], max_tokens=6, temperature=2.0, **settings))[
            0
        ] == greedy


async def test_penalties_keep_from_repeating(model: LocalModel) -> None:
    if not model.capabilities.penalties:
        pytest.skip("this engine has no such penalties, and refuses them")
    ids = [model._format.tokenizer.encode(" a").ids[0]] * 24
    for name in ("frequency_penalty", "presence_penalty"):
        kinds = []
        for penalty in (0.0, 2.0):
            settings = Sampling(max_tokens=16, logprobs=0, **{name: penalty})
            pieces = [p async for p in model.complete(ids, settings)]
            kinds.append(len({t.id for t in scores_of(pieces)}))
        assert kinds[0] < kinds[1]


async def test_a_raw_text_goes_on_without_a_template(model: LocalModel) -> None:
    text, ids = (
        "One, two, three, four,",
        model._format.tokenizer.encode("One, two, three, four,").ids,
    )
    settings = Sampling(max_tokens=4)
    one = [p async for p in model.complete(text, settings)]
    assert "".join(p.text for p in one).startswith(" five, six")
    assert one[-1].usage is not None
    assert one[-1].usage.prompt_tokens == len(ids)
    assert one == [p async for p in model.complete(ids, settings)]
    for bad in ([], [-1], [10**6], ""):
        with pytest.raises(BadInput, match="no tokens, or some"):
            await model.score(bad)


async def test_leaving_early_frees_the_place(model: LocalModel) -> None:
    before = model.stats()
    sampling = Sampling(max_tokens=4000)
    async with aclosing(model.chat([Message("user", PROMPTS[8])], sampling)) as pieces:
        await anext(pieces)
        assert model.stats().running == 1
        assert model.stats().batch in (1, None)  # not every engine batches
    assert (model.stats().running, model.stats().waiting) == (0, 0)
    async with asyncio.timeout(60):
        await ask(model, PROMPTS[0], max_tokens=2)
    after = model.stats()
    assert after.requests == before.requests + 2
    assert after.tokens_read > before.tokens_read
    assert after.tokens_written >= before.tokens_written + 3


async def test_what_is_found_in_the_cache_is_told(model: LocalModel) -> None:
    found = []
    for _ in range(2):
        before = model.stats().cached or 0
        assert [p async for p in model.complete(TEXT * 3, Sampling(max_tokens=2))]
        found.append((model.stats().cached or 0) - before)
    assert found[1] >= (32 if model.capabilities.prefix_cache else 0)
    assert found[1] >= found[0]


async def test_what_does_not_fit_is_refused(model: LocalModel) -> None:
    long = [1] * (model.context_tokens + 1)
    with pytest.raises(TooLong):
        await model.score(long)
    with pytest.raises(TooLong):
        _ = [p async for p in model.complete(long[:-1], Sampling())]


WANTS: dict[str, Sampling] = {
    "logit_bias": Sampling(max_tokens=4, logit_bias=((5, 1.0),)),
    "regex": Sampling(max_tokens=4, constraint=Constraint("regex", "a|b")),
    "grammar": Sampling(max_tokens=4, constraint=Constraint("grammar", 'root ::= "a"')),
    "json_schema": Sampling(max_tokens=4, constraint=Constraint("json_schema", '{"const":1}')),
}


@pytest.mark.parametrize("name", WANTS)
async def test_what_an_engine_cannot_do_is_refused_by_name(model: LocalModel, name: str) -> None:
    able = model.capabilities
    can = able.logit_bias if name == "logit_bias" else name in able.constraints
    pieces = model.complete("One,", WANTS[name])
    if can:
        assert [p async for p in pieces][-1].finish
        return
    with pytest.raises(BadInput, match=f"cannot do {name}"):
        await anext(pieces)


async def test_an_adapter_is_on_or_off(tiny: Callable[..., Path], tmp_path: Path) -> None:
    """With it, ours gives the scores that the reference gives with it, and without it others.

    What cannot have one says so (`test_adapter`).
    """
    weights = tiny("Llama")
    found = {}
    for on in (None, made(tmp_path / "adapter", weights)):
        for engine in ("openvino", "transformers"):
            folder = tmp_path / f"{engine}-{on is not None}"
            if engine == "openvino":
                run_build(weights, folder, "f32", on)
            else:
                run_ready(weights, folder, "transformers", on)
            model = load_language(folder, name="tiny", engine=engine, exact=True, threads=1)
            found[engine, bool(on)] = [t.logprob or 0.0 for t in await model.score(TEXT)]
            await model.close()
    for on in (True, False):
        assert found["openvino", on] == pytest.approx(found["transformers", on], abs=1e-3)
    assert found["openvino", True] != pytest.approx(found["openvino", False], abs=0.1)


def test_the_engines_are_able_to(exact_model: LocalModel, reference_model: LocalModel) -> None:
    assert exact_model.capabilities.constraints == {"json_schema", "regex", "grammar"}
    assert not exact_model.capabilities.logit_bias
    assert not reference_model.capabilities.constraints
    assert reference_model.capabilities.logit_bias


@pytest.mark.parametrize("name", ["llama", "transformers"])
async def test_bias_moves_a_token(request: pytest.FixtureRequest, name: str) -> None:
    model: LocalModel = request.getfixturevalue(ENGINES[name])
    (token,) = model._format.tokenizer.encode(" seven").ids
    sampling = Sampling(max_tokens=1, logit_bias=((token, 100.0),))
    pieces = [p async for p in model.complete("One, two, three,", sampling)]
    assert "".join(p.text for p in pieces) == " seven"


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "note": {"type": ["string", "null"], "maxLength": 8},
    },
    "required": ["name", "age", "score"],
}
SCHEMAS: dict[str, Any] = {
    "object": PERSON,
    "array": {"type": "array", "items": {"enum": ["red", "día", 3]}, "minItems": 2, "maxItems": 3},
    "integer": {"type": "integer"},
    "nested": {
        "$defs": {"person": {"type": "object", "properties": {"id": {"type": "integer"}}}},
        "type": "object",
        "properties": {
            "people": {"type": "array", "items": {"$ref": "#/$defs/person"}, "maxItems": 2}
        },
        "required": ["people"],
    },
    "choice": {"anyOf": [{"type": "boolean"}, {"const": {"a": None}}]},
}


@pytest.mark.parametrize("name", SCHEMAS)
async def test_an_answer_is_json_of_the_schema(ours: LocalModel, name: str) -> None:
    constraint = Constraint("json_schema", json.dumps(SCHEMAS[name]))
    text, pieces = await ask(
        ours, f"Invent {name} data as JSON.", max_tokens=300, constraint=constraint
    )
    assert pieces[-1].finish == "stop"
    assert not pieces[-1].unmet
    assert fits(json.loads(text), SCHEMAS[name], SCHEMAS[name])


def fits(value: Any, schema: Any, whole: Any) -> bool:  # noqa: PLR0911 - a line for each type
    """Say whether a value is of a schema, for the few words that SCHEMAS use."""
    if "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return any(fits(value, part, whole) for part in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return value in schema.get("enum", [schema.get("const")])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    python = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
    python |= {"null": type(None), "array": list, "object": dict}
    if not any(isinstance(value, python[kind]) for kind in kinds):
        return False
    if isinstance(value, str):
        return len(value) <= schema.get("maxLength", 99)
    if isinstance(value, int | float):
        return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    if isinstance(value, list):
        few = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 50)
        return few and all(fits(item, schema["items"], whole) for item in value)
    if isinstance(value, dict):
        known = schema["properties"]
        here = set(schema.get("required", ())) <= value.keys() <= known.keys()
        return here and all(fits(item, known[key], whole) for key, item in value.items())
    return True


async def test_a_constraint_that_is_cut_off_says_so(ours: LocalModel) -> None:
    constraint = Constraint("json_schema", json.dumps(PERSON))
    _, pieces = await ask(ours, "Invent a person.", max_tokens=3, constraint=constraint)
    assert pieces[-1].finish == "length"
    assert pieces[-1].unmet


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [("regex", "(yes|no)", {"yes", "no"}), ("grammar", 'root ::= "ja" | "nein"', {"ja", "nein"})],
)
async def test_an_answer_is_of_the_language(
    ours: LocalModel, kind: ConstraintKind, text: str, wanted: set[str]
) -> None:
    if kind not in ours.capabilities.constraints:
        pytest.skip("this engine cannot do it, and refuses it")
    settings: dict[str, Any] = {"constraint": Constraint(kind, text), "logprobs": 2}
    answer, pieces = await ask(ours, "Is Paris in France?", **settings)
    assert answer in wanted
    assert not pieces[-1].unmet
    assert len(scores_of(pieces)[0].top) == 2


@pytest.mark.parametrize(
    ("kind", "text"),
    [("regex", "(("), ("grammar", "x ::= 1"), ("json_schema", '{"type": 5}'), ("json_schema", "{")],
)
async def test_a_bad_constraint_harms_nobody_else(
    ours: LocalModel, kind: ConstraintKind, text: str
) -> None:
    other = asyncio.create_task(ask(ours, "Say hello.", max_tokens=20))
    await asyncio.sleep(0.1)
    with pytest.raises(BadInput):
        await ask(ours, "Say hello.", constraint=Constraint(kind, text))
    assert (await other)[0] == (await ask(ours, "Say hello.", max_tokens=20))[0]
