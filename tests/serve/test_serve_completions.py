"""Raw prompts: as the public client sends them, and as evaluation harnesses do."""

from __future__ import annotations

import json
from collections.abc import Callable
from operator import itemgetter

import openai
import pytest
from serve_world import World
from test_serve_door import send

Clients = Callable[[str], openai.OpenAI]


def test_a_text_goes_on(world: World, client: Clients) -> None:
    raw = client("ana").completions.with_raw_response.create(
        model="desk", prompt="abc", max_tokens=2
    )
    assert raw.headers["x-inhouse-model"] == f"models/analyst@{world.analyst.version}"
    assert raw.headers["x-inhouse-digest"] == world.catalog.get(world.analyst).digest
    made = raw.parse()
    assert made.id == f"cmpl-{raw.headers['x-request-id']}"
    assert made.object == "text_completion"
    assert [(c.index, c.text, c.finish_reason) for c in made.choices] == [(0, "AB", "length")]
    assert (made.usage.prompt_tokens, made.usage.completion_tokens) == (3, 2)
    assert made.inhouse["label"] == "buy-side"


def test_many_prompts_with_several_answers_each(client: Clients) -> None:
    made = client("ana").completions.create(model="desk", prompt=["abc", "xy"], n=2, max_tokens=9)
    assert [(c.index, c.text) for c in made.choices] == [
        (0, "ABC"),
        (1, "ABC"),
        (2, "XY"),
        (3, "XY"),
    ]
    assert (made.usage.prompt_tokens, made.usage.completion_tokens) == (5, 10), (
        "a prompt counts once, as OpenAI has it"
    )


def test_a_prompt_is_scored_once_however_many_answers_it_has(
    world: World, client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, scored = world.double(world.analyst), []
    score = model.score
    monkeypatch.setattr(
        model, "score", lambda text, **more: scored.append(text) or score(text, **more)
    )
    made = client("ana").completions.create(
        model="desk", prompt=["ab", "ab"], n=3, echo=True, max_tokens=1
    )
    assert [c.text for c in made.choices] == ["abA"] * 6
    assert scored == ["ab", "ab"]


@pytest.mark.parametrize("prompt", ["ab", [97, 98]])
def test_an_echo_is_scored_and_the_answer_stands_behind_it(client: Clients, prompt: object) -> None:
    made = client("ana").completions.create(
        model="desk", prompt=prompt, echo=True, logprobs=1, max_tokens=1
    )
    choice = made.choices[0]
    assert choice.text == "abA"
    assert choice.logprobs.tokens == ["a", "b", "A"]
    assert choice.logprobs.token_logprobs == [None, -1.0, -0.25]
    assert choice.logprobs.text_offset == [0, 1, 2]
    assert choice.logprobs.top_logprobs == [
        None,
        {"likelier": -0.1, "b": -1.0},
        {"likelier": -0.1, "A": -0.25},
    ]


def test_an_echo_alone(world: World, client: Clients) -> None:
    made = client("ana").completions.create(
        model="desk", prompt="ab", echo=True, logprobs=0, max_tokens=0
    )
    assert made.choices[0].text == "ab"
    assert made.choices[0].finish_reason == "length"
    assert made.choices[0].logprobs.token_logprobs == [None, -1.0]
    assert (made.usage.prompt_tokens, made.usage.completion_tokens) == (2, 0)
    assert world.double(world.analyst).seen == []


def test_a_stream(client: Clients) -> None:
    chunks = list(
        client("ana").completions.create(
            model="desk", prompt="ab", stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(c.choices[0].text for c in chunks if c.choices) == "AB"
    assert [c.choices[0].finish_reason for c in chunks if c.choices] == [None, None, "length"]
    assert chunks[-1].usage.total_tokens == 4
    assert chunks[-2].inhouse["label"] == "buy-side"


def test_an_endpoint_with_knowledge_takes_no_raw_prompts(client: Clients) -> None:
    with pytest.raises(openai.BadRequestError, match="answers from documents"):
        client("ana").completions.create(model="help", prompt="x")


def test_an_api_takes_no_raw_prompts(world: World, client: Clients) -> None:
    world.endpoint("endpoints/api", None, api={"url": "https://x", "name": "m"})
    with pytest.raises(openai.BadRequestError, match="is an API") as caught:
        client("ana").completions.create(model="api", prompt="x")
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 2}, "best_of"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [[1], "a", {}]}, "prompt[2]"),
        ({"prompt": [1, -1]}, "prompt[0]"),
        ({"prompt": ["a"] * 100, "n": 2}, "n"),
        ({"logprobs": 21}, "logprobs"),
    ],
)
def test_fields_are_refused_by_name(client: Clients, asked: dict[str, object], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client("ana").completions.create(**{"model": "desk", "prompt": "x", **asked})
    assert caught.value.param == param


def test_an_evaluation_harness_finds_what_it_reads(world: World, url: str) -> None:
    """The body that lm-evaluation-harness sends for likelihoods, and how it reads the answer."""
    _, key = world.key("ana")
    asked = {
        "model": "desk",
        "prompt": [list(b"abcd"), list(b"wxyz")],
        "temperature": 0,
        "max_tokens": 1,
        "logprobs": 1,
        "seed": 1234,
        "echo": True,
    }
    status, found, _ = send(url, "POST", "/v1/completions", json.dumps(asked).encode(), key)
    assert status == 200
    for choice in sorted(found["choices"], key=itemgetter("index")):
        logprobs = choice["logprobs"]
        continued = logprobs["token_logprobs"][2:-1]
        assert continued == [-1.0, -1.0]
        likeliest = [max(top.values()) for top in logprobs["top_logprobs"][2:-1]]
        assert likeliest == [-0.1, -0.1]
