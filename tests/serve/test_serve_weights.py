"""The built-in model behind the door: forms, scored tokens, and what an evaluation reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest
from serve_world import World

from inhouse.models.load import load_language

pytestmark = pytest.mark.weights

Clients = Callable[[str], openai.OpenAI]

ASK = [{"role": "user", "content": "Invent a person. Answer in JSON."}]
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.fixture
def asker(world: World, smollm_folder: Path, client: Clients) -> Iterator[openai.OpenAI]:
    model = load_language(smollm_folder, name="smol", threads=2)
    world.engines.models[world.analyst.version or ""] = model  # type: ignore[assignment]
    yield client("ana").with_options(timeout=120)


def test_a_real_model_keeps_to_forms_and_scores(asker: openai.OpenAI) -> None:
    asked = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
    chat = asker.chat.completions.create
    made = chat(model="desk", messages=ASK, response_format=asked, max_tokens=60)
    assert set(json.loads(made.choices[0].message.content)) == {"name", "age"}
    assert made.inhouse["unmet"] is False

    cut = chat(model="desk", messages=ASK, response_format=asked, max_tokens=2)
    assert (cut.choices[0].finish_reason, cut.inhouse["unmet"]) == ("length", True)

    form = {"structured_outputs": {"choice": ["yes", "no"]}}
    made = chat(model="desk", messages=ASK, extra_body=form, logprobs=True, top_logprobs=2)
    assert made.choices[0].message.content in ("yes", "no")
    said = "".join(token.token for token in made.choices[0].logprobs.content)
    assert said == made.choices[0].message.content

    text = {"format": {"type": "json_schema", "name": "person", "schema": SCHEMA}}
    made = asker.responses.create(model="desk", input="A person.", text=text, max_output_tokens=60)
    assert json.loads(made.output_text)["name"]

    with pytest.raises(openai.BadRequestError, match="more than the") as caught:
        asker.completions.create(model="desk", prompt="7" * 12_000)
    assert caught.value.code == "context_length_exceeded"


def test_an_evaluation_reads_likelihoods(asker: openai.OpenAI) -> None:
    """Both ways in which lm-evaluation-harness asks, and what it takes from the answers."""
    right, wrong = "The capital of France is Paris", "The capital of France is Lima"
    scored = asker.completions.create(
        model="desk",
        prompt=[right, wrong],
        temperature=0,
        max_tokens=1,
        logprobs=1,
        seed=1234,
        echo=True,
    )
    sums = []
    for choice, text in zip(
        sorted(scored.choices, key=lambda c: c.index), (right, wrong), strict=True
    ):
        context = choice.logprobs.text_offset.index(len("The capital of France is"))
        continued = choice.logprobs.token_logprobs[context:-1]
        tops = choice.logprobs.top_logprobs[context:-1]
        assert "".join(choice.logprobs.tokens[:-1]) == text
        assert all(score <= max(top.values()) for score, top in zip(continued, tops, strict=True))
        sums.append(sum(continued))
    assert sums[0] > sums[1]
    assert scored.choices[0].logprobs.token_logprobs[0] is None

    made = asker.completions.create(
        model="desk", prompt=[right], max_tokens=8, temperature=0, stop=["\n\n"], seed=1234
    )
    assert made.choices[0].text
