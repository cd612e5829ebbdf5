"""Request bodies: what is accepted, and how each other field is refused by its name."""

from __future__ import annotations

import json
import re

import pytest

from inhouse.core.errors import BadField, BadInput
from inhouse.core.protocols import Sampling
from inhouse.serve.bodies import ChatBody
from inhouse.serve.lookup_bodies import EmbeddingBody
from inhouse.serve.reading import parse

TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}


def chat(**changes: object) -> bytes:
    body = {"model": "desk", "messages": [{"role": "user", "content": "hi"}], **changes}
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("changes", "param", "told"),
    [
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing"),
        ({"tool_choice": "required"}, "tool_choice", "no tool to choose"),
        ({"tool_choice": "maybe", "tools": [TOOL]}, "tool_choice", "'required'"),
        ({"top_logprobs": 2}, "top_logprobs", "Set logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "less than or equal to 20"),
        ({"n": 0}, "n", "greater than or equal to 1"),
        ({"n": 9}, "n", "less than or equal to 8"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "'json_object'"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "both"),
        ({"structured_outputs": {}}, "structured_outputs.json", "exactly one"),
        ({"structured_outputs": {"regexp": "a"}}, "structured_outputs.regexp", "'regex'"),
        (
            {"structured_outputs": {"regex": "a"}, "response_format": {"type": "json_object"}},
            "structured_outputs",
            "both",
        ),
        ({"logit_bias": {"a": 5}}, "logit_bias.a.[key]", "pattern"),
        ({"logit_bias": {"1": 500}}, "logit_bias.1", "less than or equal to 100"),
        ({"presence_penalty": 2.5}, "presence_penalty", "less than or equal to 2"),
        ({"functions": [{}]}, "functions", "not supported"),
        ({"temprature": 1}, "temprature", "Did you mean 'temperature'"),
        ({"temperature": 3}, "temperature", "less than or equal to 2"),
        ({"temperature": "1"}, "temperature", "number"),
        ({"top_p": 0}, "top_p", "greater than or equal to 0.001"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"seed": -1}, "seed", "greater"),
        ({"stop": [""]}, "stop[0]", "at least 1"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": "hi"}, "messages", "list"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "messages[0].role", "user"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id", "id"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "missing"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content",
            "'text'",
        ),
        (
            {"messages": [{"role": "assistant", "content": "x", "tool_calls": [{}]}]},
            "messages[0].tool_calls[0].id",
            "missing",
        ),
        ({"stream_options": {"usage": True}}, "stream_options.usage", "no field"),
        ({"model": None}, "model", "missing"),
    ],
)
def test_fields_are_refused_by_name(changes: dict[str, object], param: str, told: str) -> None:
    with pytest.raises(BadField, match=re.escape(told)) as caught:
        parse(chat(**changes), ChatBody)
    assert caught.value.param == param


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b"\xff"])
def test_what_is_not_an_object(body: bytes) -> None:
    with pytest.raises(BadInput, match="JSON"):
        parse(body, ChatBody)


def test_what_changes_nothing_is_accepted() -> None:
    neutral = {"n": 1, "tools": [], "logprobs": False, "logit_bias": {}, "presence_penalty": 0.0}
    harmless = {"user": "x", "metadata": {"a": "b"}, "store": True, "response_format": None}
    body = parse(chat(**neutral, **harmless), ChatBody)
    assert body.sampling() == Sampling()


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"input": [1, 2]}, "input"),
        ({"input": [[1, 2]]}, "input"),
        ({"input": []}, "input"),
        ({"input": ""}, "input[0]"),
        ({"input": "x", "dimensions": 3}, "dimensions"),
        ({"input": "x", "encoding_format": "int8"}, "encoding_format"),
    ],
)
def test_embedding_fields(changes: dict[str, object], param: str) -> None:
    with pytest.raises(BadField) as caught:
        parse(json.dumps({"model": "minilm", **changes}).encode(), EmbeddingBody)
    assert caught.value.param == param
