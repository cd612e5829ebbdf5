"""Somebody else's API, against a real server that misbehaves on request."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from inhouse.core.errors import BadInput, ProviderError, RequestRefused
from inhouse.core.nouns import Message, ToolCall
from inhouse.core.protocols import (
    JSON_OBJECT,
    CallPart,
    Constraint,
    LanguageModel,
    Piece,
    Sampling,
    Usage,
)
from inhouse.models.remote import BRIEF, Patience, Provider, RemoteModel

KEY = "sk-very-secret-123"
QUICK = Patience(connect=0.5, idle=0.3, retries=2, pause=0.01, longest_pause=0.05)
HI = [Message("user", "hi")]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """A server whose answers a test lines up; the last one repeats."""

    def __init__(self) -> None:
        self.answers: list[Handler] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        self.headers.append(dict(request.headers))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)

    def model(self, key: str | None = KEY) -> RemoteModel:
        return RemoteModel("gpt", Provider(self.url, "gpt-x", key=key), QUICK)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    made.url = f"http://127.0.0.1:{port}/v1/"
    yield made
    await runner.cleanup()


def event(text: str = "", finish: str | None = None) -> str:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return "data: " + json.dumps({"choices": [choice]}) + "\n\n"


USAGE = 'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}\n\n'
GOOD = [event("Hel"), ": comment\n\n", event("lo"), event(finish="stop"), USAGE, "data: [DONE]\n\n"]


def stream(*parts: str, then: float = 0.0) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in parts:
            await response.write(part.encode())
        await asyncio.sleep(then)
        return response

    return answer


def refusal(status: int, body: object = None, **headers: str) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        return web.json_response(body or {}, status=status, headers=named)

    return answer


async def ask(model: LanguageModel, **settings: Any) -> list[Piece]:
    try:
        return [p async for p in model.chat(HI, Sampling(**settings))]
    finally:
        await model.close()


async def fails(server: Server, match: str) -> ProviderError:
    with pytest.raises(ProviderError, match=match) as caught:
        await ask(server.model())
    assert KEY not in str(caught.value)
    return caught.value


async def test_an_answer_streams(server: Server) -> None:
    server.answers = [stream(*GOOD)]
    found = await ask(server.model(), max_tokens=7, stop=("x",), seed=3)
    assert found == [Piece("Hel"), Piece("lo"), Piece("", "stop", Usage(3, 2))]
    assert server.bodies[0]["messages"] == [{"role": "user", "content": "hi"}]
    assert server.bodies[0]["max_tokens"] == 7
    assert server.bodies[0]["stop"] == ["x"]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_pieces_may_be_cut_anywhere(server: Server) -> None:
    whole = "".join([event("é🙂"), event(finish="length"), "data: [DONE]\n\n"])
    server.answers = [stream(*whole)]
    assert await ask(server.model()) == [Piece("é🙂"), Piece("", "length", None)]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_provider_is_asked_again(status: int, server: Server) -> None:
    server.answers = [refusal(status, Retry_After="0.01"), refusal(status), stream(*GOOD)]
    assert (await ask(server.model()))[0] == Piece("Hel")
    assert len(server.bodies) == 3


async def test_a_long_retry_after_is_bounded(server: Server) -> None:
    server.answers = [refusal(429, Retry_After="3600"), stream(*GOOD)]
    async with asyncio.timeout(5):
        await ask(server.model())


async def test_asking_again_has_an_end(server: Server) -> None:
    server.answers = [refusal(500, {"error": {"message": "out of order"}})]
    error = await fails(server, "answered 500, 3 times over")
    assert error.said == "out of order"
    assert len(server.bodies) == 3


async def test_a_refusal_is_not_repeated_and_hides_the_key(server: Server) -> None:
    server.answers = [refusal(401, {"error": {"message": f"bad key {KEY}."}})]
    error = await fails(server, "answered 401: it takes no key like ours")
    assert error.said == "bad key ***"
    assert error.status == 502
    assert len(server.bodies) == 1


async def test_a_redirect_is_not_followed(server: Server) -> None:
    server.answers = [refusal(307, Location=server.url + "chat/completions")]
    await fails(server, "answered 307")
    assert len(server.bodies) == 1


async def test_nobody_there(unused_tcp_port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"http://127.0.0.1:{unused_tcp_port}/v1"
    with pytest.raises(ProviderError, match="cannot be reached"):
        await ask(RemoteModel("gpt", Provider(url, "gpt-x", key=KEY), QUICK))
    assert KEY not in caplog.text


async def test_silence_before_the_answer(server: Server) -> None:
    async def hang(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    server.answers = [hang]
    await fails(server, "was silent for 0.3 s")
    assert len(server.bodies) == 1


async def test_silence_within_the_answer(server: Server) -> None:
    server.answers = [stream(event("Hel"), then=5)]
    await fails(server, "was silent for 0.3 s")


async def test_an_answer_that_breaks_off(server: Server) -> None:
    server.answers = [stream(event("Hel"))]
    await fails(server, "broke off before the end")

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(event("Hel").encode())
        assert request.transport is not None
        request.transport.abort()
        return response

    server.answers = [cut]
    await fails(server, "broke off")
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (["data: {oops\n\n"], "not JSON"),
        (["data: [1]\n\n"], "not an object"),
        (["<html>login</html>\n"], "did not send server-sent events"),
        (["data: " + "x" * 2**22 + "\n\n"], "broke off|cannot be understood"),
        (['data: {"error": {"message": "overloaded"}}\n\n'], "broke off with an error of its own"),
        ([event(finish="content_filter")], "because of its content_filter"),
    ],
)
async def test_what_makes_no_sense_is_one_sentence(
    parts: list[str], reason: str, server: Server
) -> None:
    server.answers = [stream(*parts)]
    await fails(server, reason)


async def test_leaving_early_ends_the_connection(server: Server) -> None:
    gone = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(event("a").encode())
                await asyncio.sleep(0.01)
        except (ConnectionResetError, asyncio.CancelledError):
            gone.set()
            raise

    server.answers = [endless]
    model = server.model()
    pieces = model.chat(HI, Sampling())
    await anext(pieces)
    await pieces.aclose()
    async with asyncio.timeout(5):
        await gone.wait()
    await model.close()


def test_addresses_are_checked_and_keys_not_shown() -> None:
    for bad in ("api.example.com", "ftp://x/v1", "https://user:pass@x/v1"):
        with pytest.raises(BadInput, match="not the address of an API"):
            Provider(bad, "m")
    assert KEY not in repr(Provider("https://x/v1", "m", key=KEY))


async def test_what_the_caller_leaves_open_is_left_to_the_provider(server: Server) -> None:
    server.answers = [stream(*GOOD)]
    await ask(server.model())
    assert not {"max_tokens", "seed", "tools", "response_format"} & set(server.bodies[0])


@pytest.mark.parametrize(
    ("constraint", "sent"),
    [
        (JSON_OBJECT, {"type": "json_object"}),
        (
            Constraint("json_schema", '{"type":"array"}', strict=False),
            {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": {"type": "array"}},
            },
        ),
        (
            Constraint("json_schema", '{"type":"array"}'),
            {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": {"type": "array"}, "strict": True},
            },
        ),
    ],
)
async def test_forms_are_passed_on(
    server: Server, constraint: Constraint, sent: dict[str, Any]
) -> None:
    server.answers = [stream(*GOOD)]
    await ask(server.model(), constraint=constraint)
    assert server.bodies[0]["response_format"] == sent


def calling(*calls: dict[str, Any]) -> str:
    choice = {"index": 0, "delta": {"tool_calls": calls}, "finish_reason": None}
    return "data: " + json.dumps({"choices": [choice]}) + "\n\n"


async def test_tools_are_passed_on_and_calls_come_back(server: Server) -> None:
    tools = {"tools": [{"type": "function", "function": {"name": "now"}}], "tool_choice": "auto"}
    first = {"index": 0, "id": "c", "type": "function", "function": {"name": "now"}}
    server.answers = [
        stream(
            calling(first),
            calling({"index": 0, "function": {"arguments": '{"a":'}}),
            calling({"index": 0, "function": {"arguments": "1}"}}),
            event(finish="tool_calls"),
        )
    ]
    talk = [
        *HI,
        Message("assistant", "", (ToolCall("b", "now", "{}"),)),
        Message("tool", "noon", answers="b"),
    ]
    model = server.model()
    found = [p async for p in model.chat(talk, Sampling(tools=json.dumps(tools)))]
    await model.close()
    assert [p.calls for p in found] == [
        (CallPart(0, "c", "now", ""),),
        (CallPart(0, arguments='{"a":'),),
        (CallPart(0, arguments="1}"),),
        (),
    ]
    assert found[-1].finish == "tool_calls"
    body = server.bodies[0]
    assert {name: body[name] for name in tools} == tools
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "b", "type": "function", "function": {"name": "now", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "content": "noon", "tool_call_id": "b"},
    ]


@pytest.mark.parametrize("call", [{}, {"index": "x", "function": 3}, {"function": {"name": None}}])
async def test_calls_without_sense_say_nothing(server: Server, call: dict[str, Any]) -> None:
    server.answers = [stream(calling(call), event(finish="tool_calls"))]
    assert (await ask(server.model()))[0].calls == (CallPart(0),)


async def test_a_setting_that_changes_nothing_is_not_sent(server: Server) -> None:
    server.answers = [stream(*GOOD)]
    await ask(server.model(), temperature=0.5)
    assert "top_p" not in server.bodies[0]  # Claude takes one of the two
    await ask(server.model(), top_p=0.9)
    assert server.bodies[1]["top_p"] == 0.9


def unsupported(field: str) -> Handler:
    """Refuse a field as OpenAI's and Azure's reasoning models do."""
    said = {"message": f"Unsupported parameter: '{field}'.", "param": field}
    return refusal(400, {"error": {**said, "code": "unsupported_parameter"}})


async def test_what_a_reasoning_model_does_not_take_is_said_otherwise(server: Server) -> None:
    server.answers = [unsupported("max_tokens"), unsupported("temperature"), stream(*GOOD)]
    model = server.model()
    for _ in range(2):
        pieces = [p async for p in model.chat(HI, Sampling(max_tokens=7))]
        assert pieces[-1].finish == "stop"
    assert len(server.bodies) == 4, "remembered for the second request"
    for body in server.bodies[2:]:
        assert body["max_completion_tokens"] == 7
        assert not {"max_tokens", "temperature"} & set(body)
    server.answers = [unsupported("temperature")]
    with pytest.raises(RequestRefused, match="Unsupported parameter: 'temperature'"):
        await ask(model, temperature=0.7)


async def test_one_who_asks_for_too_much_changes_nothing_for_others(server: Server) -> None:
    said = {"message": "max_tokens is too large", "param": "max_tokens"}
    loc = {"loc": ["body", "max_tokens"], "type": "less_than_equal"}
    many = {"error": {**said, "code": "invalid_value"}}
    for refused in (many, {"error": said}, {"detail": [loc]}):
        server.bodies.clear()
        server.answers = [refusal(400, refused), stream(*GOOD)]
        model = server.model()
        with pytest.raises(RequestRefused):
            await ask(model, max_tokens=10**6)
        await ask(model, max_tokens=7)
        assert [body["max_tokens"] for body in server.bodies] == [10**6, 7]


async def test_what_did_not_help_is_not_remembered(server: Server) -> None:
    server.answers = [unsupported("temperature"), refusal(400), stream(*GOOD)]
    model = server.model()
    with pytest.raises(RequestRefused):
        await ask(model, temperature=0)
    await ask(model, temperature=0)
    assert server.bodies[-1]["temperature"] == 0


async def test_a_provider_that_knows_no_options_of_streams(server: Server) -> None:
    extra = {"detail": [{"loc": ["body", "stream_options"], "type": "extra_forbidden"}]}
    server.answers = [refusal(422, extra), stream(*GOOD)]
    assert (await ask(server.model()))[0] == Piece("Hel")
    assert server.bodies[1]["stream"] is True


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_request_that_is_refused_is_told_from_a_failure(
    server: Server, status: int
) -> None:
    server.answers = [refusal(status, {"error": {"message": "too long"}})]
    with pytest.raises(RequestRefused, match=f"answered {status}") as caught:
        await ask(server.model())
    assert caught.value.said == "too long"
    server.answers = [refusal(404)]
    assert not isinstance(await fails(server, "answered 404"), RequestRefused)
    server.answers = [stream(event(finish="content_filter"))]
    assert isinstance(await fails(server, "content_filter"), RequestRefused)


@pytest.mark.parametrize("param", ["top_p", "model", None])
async def test_of_a_providers_words_only_those_about_the_request_are_passed_on(
    param: str | None, server: Server
) -> None:
    host = server.url.split("/")[2]
    said = f"Too hot, says {server.url}x at {host}, eu.api.corp:8443/a for {KEY}"
    error = {"message": said, "param": param, "code": "invalid_value"}
    server.answers = [refusal(400, {"error": error})]
    caught = await fails(server, "answered 400")
    told = "answered 400: Too hot, says … at …, … for ***."
    assert (told in str(caught)) == ("hot" in str(caught)) == (param == "top_p")
    assert host not in str(caught)
    assert (caught.at, "says http" in caught.said) == (host, True)
    assert KEY not in caught.private


def whole(message: dict[str, Any], finish: str = "stop") -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        choice = {"index": 0, "message": message, "finish_reason": finish}
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        return web.json_response({"choices": [choice], "usage": usage})

    return answer


async def test_an_answer_that_comes_whole_is_taken(server: Server) -> None:
    server.answers = [whole({"role": "assistant", "content": "Hello"})]
    assert await ask(server.model()) == [Piece("Hello"), Piece("", "stop", Usage(3, 2))]
    call = {"id": "c", "type": "function", "function": {"name": "now", "arguments": {"a": 1}}}
    server.answers = [whole({"content": None, "tool_calls": [call]}, "tool_calls")]
    assert (await ask(server.model()))[0].calls == (CallPart(0, "c", "now", '{"a":1}'),)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"error": {"message": "overloaded"}}, "broke off with an error of its own"),
        ([1], "not a JSON object"),
        ({}, "broke off before the end"),
        ({"choices": [{"message": {"content": "x" * 2**21}}] * 9}, "too long"),
    ],
)
async def test_a_whole_answer_that_makes_no_sense(
    server: Server, body: object, reason: str
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(body)

    server.answers = [answer]
    await fails(server, reason)


async def test_what_azure_puts_around_an_answer(server: Server) -> None:
    verdict = {"hate": {"filtered": False, "severity": "safe"}}
    about_prompt = {"choices": [], "prompt_filter_results": [{"content_filter_results": verdict}]}
    about_answer = {"choices": [{"finish_reason": None, "content_filter_results": verdict}]}
    lines = [f"data: {json.dumps(d | {'usage': None})}\n\n" for d in (about_prompt, about_answer)]
    server.answers = [stream(lines[0], *GOOD[:-2], lines[1], *GOOD[-2:])]
    found = await ask(server.model())
    assert found == [Piece("Hel"), Piece("lo"), Piece("", "stop", Usage(3, 2))]


async def test_a_brief_patience_is_short(server: Server) -> None:
    server.answers = [refusal(429, Retry_After="20"), refusal(500)]
    model = RemoteModel("gpt", Provider(server.url, "gpt-x"), BRIEF)
    async with asyncio.timeout(10):
        with pytest.raises(ProviderError, match="2 times over"):
            await ask(model)
    assert len(server.bodies) == 2
