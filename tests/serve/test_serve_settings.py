"""Chats with several answers, scored tokens, tools and forms; and who cannot do what."""

from __future__ import annotations

import json
from collections.abc import Callable

import openai
import pytest
from serve_world import World

from inhouse.core.nouns import Message, ToolCall
from inhouse.core.protocols import JSON_OBJECT, CallPart, Constraint
from inhouse.models.fake import EchoModel

Clients = Callable[[str], openai.OpenAI]

HI = [{"role": "user", "content": "a b"}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
TOOLS = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]
CALLS = (
    CallPart(0, "call_1", "now", ""),
    CallPart(0, arguments='{"in":'),
    CallPart(0, arguments='"Oslo"}'),
    CallPart(1, "call_2", "then", "{}"),
)


@pytest.fixture
def api(world: World) -> str:
    """An endpoint with somebody's API."""
    world.endpoint("endpoints/api", None, api={"url": "https://x", "name": "m"})
    return "api"


@pytest.fixture
def echo(world: World) -> str:
    """An endpoint whose engine can do nothing but choose tokens."""
    world.engines.models[world.analyst.version or ""] = EchoModel()  # type: ignore[assignment]
    return "desk"


def ask(client: openai.OpenAI, model: str = "desk", **more: object) -> object:
    return client.chat.completions.create(**{"model": model, "messages": HI, **more})


def test_several_answers(world: World, client: Clients) -> None:
    world.double(world.analyst).answers = ["one", "two", "three"]
    made = ask(client("ana"), n=3, seed=7)
    assert [(c.index, c.message.content) for c in made.choices] == [
        (0, "one "),
        (1, "two "),
        (2, "three "),
    ]
    assert [s.seed for _, s in world.double(world.analyst).seen] == [7, 8, 9]
    assert (made.usage.prompt_tokens, made.usage.completion_tokens) == (2, 9)
    assert [c.inhouse["label"] for c in made.choices] == ["buy-side"] * 3


def test_several_answers_stream_side_by_side(world: World, client: Clients) -> None:
    chunks = list(ask(client("ana"), n=2, stream=True, stream_options={"include_usage": True}))
    for index in (0, 1):
        mine = [c.choices[0] for c in chunks if c.choices and c.choices[0].index == index]
        assert "".join(c.delta.content or "" for c in mine) == "analyst: a b "
        assert [c.delta.role for c in mine] == ["assistant"] + [None] * (len(mine) - 1)
        assert mine[-1].finish_reason == "stop"
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (2, 6)


def test_one_of_several_fails_and_all_are_aborted(world: World, client: Clients) -> None:
    double = world.double(world.analyst)
    with pytest.raises(openai.APITimeoutError):
        messages = [{"role": "user", "content": "hang"}]
        ask(client("ana").with_options(timeout=1.0), n=2, messages=messages)
    assert double.aborted.wait(10)


def test_scored_tokens(client: Clients) -> None:
    made = ask(client("ana"), logprobs=True, top_logprobs=2)
    first = made.choices[0].logprobs.content[0]
    assert (first.token, first.logprob, bytes(first.bytes)) == ("analyst: ", -0.5, b"analyst: ")
    assert [t.token for t in first.top_logprobs] == ["likelier", "analyst: "]
    assert len(made.choices[0].logprobs.content) == 3
    assert ask(client("ana")).choices[0].logprobs is None
    chunks = list(ask(client("ana"), logprobs=True, stream=True))
    assert chunks[0].choices[0].logprobs.content[0].token == "analyst: "


@pytest.mark.parametrize(
    ("asked", "constraint"),
    [
        ({"response_format": {"type": "json_object"}}, JSON_OBJECT),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": SCHEMA, "strict": True},
                }
            },
            Constraint("json_schema", json.dumps(SCHEMA, separators=(",", ":"))),
        ),
        (
            {"extra_body": {"structured_outputs": {"regex": "a+"}}},
            Constraint("regex", "a+"),
        ),
        (
            {"extra_body": {"structured_outputs": {"grammar": 'root ::= "a"'}}},
            Constraint("grammar", 'root ::= "a"'),
        ),
        (
            {"extra_body": {"structured_outputs": {"choice": ["yes", 'say "no"']}}},
            Constraint("grammar", 'root ::= "yes" | "say \\"no\\""'),
        ),
        (
            {"extra_body": {"structured_outputs": {"json": SCHEMA}}},
            Constraint("json_schema", json.dumps(SCHEMA, separators=(",", ":"))),
        ),
    ],
)
def test_forms(
    world: World, client: Clients, asked: dict[str, object], constraint: Constraint
) -> None:
    ask(client("ana"), **asked)
    assert world.double(world.analyst).seen[0][1].constraint == constraint


def test_penalties_and_cuts(world: World, client: Clients) -> None:
    ask(
        client("ana"),
        frequency_penalty=0.5,
        presence_penalty=-0.5,
        logit_bias={"5": 10},
        extra_body={"top_k": 4, "min_p": 0.1},
    )
    ask(client("ana"), extra_body={"top_k": -1})
    (_, first), (_, second) = world.double(world.analyst).seen
    assert (first.frequency_penalty, first.presence_penalty) == (0.5, -0.5)
    assert (first.logit_bias, first.top_k, first.min_p) == (((5, 10.0),), 4, 0.1)
    assert second.top_k is None
    assert second.max_tokens is None


def test_an_api_calls_tools(world: World, client: Clients, api: str) -> None:
    ref = world.catalog.list()[-1].ref
    ask(client("ana"), api)
    double = next(m for m in world.engines.models.values() if m.name == "their-model")
    double.calls = CALLS
    messages = [
        *HI,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c0",
                    "type": "function",
                    "function": {"name": "now", "arguments": "{}"},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c0", "content": "noon"},
    ]
    made = ask(
        client("ana"), api, messages=messages, tools=TOOLS, tool_choice="auto", temperature=0
    )
    choice = made.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert [(c.id, c.function.name, c.function.arguments) for c in choice.message.tool_calls] == [
        ("call_1", "now", '{"in":"Oslo"}'),
        ("call_2", "then", "{}"),
    ]
    told, sampling = double.seen[-1]
    assert told[1:] == (
        Message("assistant", "", (ToolCall("c0", "now", "{}"),)),
        Message("tool", "noon", answers="c0"),
    )
    assert json.loads(sampling.tools) == {"tools": TOOLS, "tool_choice": "auto"}
    assert ref is not None

    chunks = ask(client("ana"), api, tools=TOOLS, stream=True)
    parts = [t for c in chunks for t in (c.choices[0].delta.tool_calls or [])]
    assert [(p.index, p.id, p.function.name, p.function.arguments) for p in parts] == [
        (0, "call_1", "now", ""),
        (0, None, None, '{"in":'),
        (0, None, None, '"Oslo"}'),
        (1, "call_2", "then", "{}"),
    ]


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"tools": TOOLS}, "tools"),
        ({"messages": [*HI, {"role": "tool", "tool_call_id": "c", "content": "x"}]}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"frequency_penalty": 1}, "frequency_penalty"),
        ({"presence_penalty": 1}, "presence_penalty"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"extra_body": {"structured_outputs": {"regex": "a"}}}, "structured_outputs"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_an_engine_cannot_do_is_refused_by_name(
    client: Clients, echo: str, asked: dict[str, object], param: str, stream: bool
) -> None:
    with pytest.raises(openai.BadRequestError, match="cannot do") as caught:
        ask(client("ana"), echo, stream=stream, **asked)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"tools": TOOLS}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
    ],
)
def test_an_endpoint_with_knowledge_answers_in_prose(
    client: Clients, asked: dict[str, object], param: str
) -> None:
    with pytest.raises(openai.BadRequestError, match="endpoint with knowledge cannot") as caught:
        ask(client("ana"), "help", **asked)
    assert caught.value.param == param


def test_a_prompt_that_is_too_long_says_by_how_much(
    world: World, client: Clients, echo: str
) -> None:
    world.engines.models[world.analyst.version or ""] = EchoModel(context_tokens=3)  # type: ignore[assignment]
    long = "one two three four five"
    asks = [
        lambda c: ask(c, messages=[{"role": "user", "content": long}]),
        lambda c: c.responses.create(model="desk", input=long),
    ]
    for send in asks:
        with pytest.raises(openai.BadRequestError, match="5 tokens, 3 more than") as caught:
            send(client("ana"))
        assert caught.value.code == "context_length_exceeded"
