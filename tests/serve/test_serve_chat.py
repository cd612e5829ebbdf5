"""The public client talks to a real server: answers whole and streamed, citations, aborts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from serve_world import World

from inhouse.serve import prompt
from inhouse.serve.answer import REFUSAL

Clients = Callable[[str], openai.OpenAI]


def ask(client: openai.OpenAI, endpoint: str, question: str, **options: object) -> object:
    messages = [{"role": "user", "content": question}]
    return client.chat.completions.create(model=endpoint, messages=messages, **options)


def test_whole_answer(world: World, client: Clients) -> None:
    raw = client("ana").chat.completions.with_raw_response.create(
        model="desk", messages=[{"role": "user", "content": "how are you"}]
    )
    assert raw.headers["x-inhouse-model"] == f"models/analyst@{world.analyst.version}"
    assert raw.headers["x-inhouse-digest"] == world.catalog.get(world.analyst).digest
    answer = raw.parse()
    assert answer.object == "chat.completion"
    assert answer.id == f"chatcmpl-{raw.headers['x-request-id']}"
    assert answer.choices[0].message.content == "analyst: how are you "
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 4
    ours = answer.inhouse
    assert ours["endpoint"].startswith("endpoints/desk@")
    assert ours["model"] == f"models/analyst@{world.analyst.version}"
    assert ours["label"] == "buy-side"
    assert ours["citations"] == []
    assert ours["usage_estimated"] is False


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_says_what_it_was_made_with(world: World, client: Clients, stream: bool) -> None:
    prompts = set()
    for instructions in ("", "Be brief.", "Be brief!"):
        ref = world.endpoint(
            "endpoints/help", world.base, world.knowledge, instructions=instructions
        )
        raw = client("ana").chat.completions.with_raw_response.create(
            model="help", messages=[{"role": "user", "content": "parents"}], stream=stream
        )
        last = list(raw.parse())[-1] if stream else raw.parse()
        made = {
            "endpoint": ref.pinned,
            "model": world.base.pinned,
            "digest": world.catalog.get(world.base).digest,
            "knowledge": world.knowledge.pinned,
            "prompt": prompt.version(instructions, grounded=True),
        }
        prompts.add(made["prompt"])
        assert {name: raw.headers[f"x-inhouse-{name}"] for name in made} == made
        assert {name: last.inhouse[name] for name in made} == made
    assert len(prompts) == 3


def test_a_name_that_no_header_can_hold_is_told_all_the_same(world: World, client: Clients) -> None:
    api = {"url": "http://127.0.0.1:9/v1", "name": "größe 模型"}
    world.double(world.endpoint("endpoints/api", None, api=api)).name = api["name"]
    raw = client("ana").chat.completions.with_raw_response.create(
        model="api", messages=[{"role": "user", "content": "hi"}]
    )
    assert raw.headers["x-inhouse-model"] == "gr%C3%B6%C3%9Fe %E6%A8%A1%E5%9E%8B"
    assert raw.parse().inhouse["model"] == api["name"]


def test_streamed_answer(client: Clients) -> None:
    chunks = list(
        ask(client("ana"), "desk", "one two", stream=True, stream_options={"include_usage": True})
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    texts = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert texts[:3] == ["analyst: ", "one ", "two "]
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 3
    assert chunks[-2].inhouse["label"] == "buy-side"
    assert len({c.id for c in chunks}) == 1


def test_grounded_answer_cites_what_the_actor_may_read(world: World, client: Clients) -> None:
    answer = ask(client("cy"), "help", "parents")
    text = answer.choices[0].message.content
    assert text.endswith("\n\nSources:\n[1] leave.md › Leave › Parental")
    first = answer.inhouse["citations"][0]
    assert first == {
        "number": 1,
        "source": f"data/handbook@{world.handbook.version}",
        "document": "leave.md",
        "heading": "Leave › Parental",
        "anchor": "parental",
        "id": "s0",
        "quote": "Parents get ten weeks. With pay.",
        "link": "leave.md#parental",
        "modified": "2026-03-05",
    }
    assert answer.inhouse["label"] == "open"
    seen = world.double(world.base).seen[0][0]
    assert "ten weeks" in seen[-1].content
    assert "Bermuda" not in seen[-1].content


def test_label_of_an_answer_joins_its_sources(client: Clients) -> None:
    answer = ask(client("ana"), "help", "parents")
    assert len(answer.inhouse["citations"]) == 1, "the label counts what the model was shown"
    assert answer.inhouse["label"] == "buy-side"


def test_nothing_found_is_said_without_the_model(world: World, client: Clients) -> None:
    answer = ask(client("cy"), "help", "bermuda")
    assert answer.choices[0].message.content == REFUSAL
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.inhouse["refused"], answer.inhouse["support"]) == (True, 0.0)
    assert answer.inhouse["citations"] == []
    assert world.double(world.base).seen == []


def test_retriever_may_refuse(world: World, client: Clients) -> None:
    world.engines.retriever_double.closed_to = frozenset({"cy"})
    with pytest.raises(openai.PermissionDeniedError, match="no source"):
        ask(client("cy"), "help", "parents", stream=True)


def test_sampling_arrives(world: World, client: Clients) -> None:
    ask(
        client("ana"),
        "endpoints/desk",
        "x",
        temperature=0.5,
        top_p=0.9,
        max_completion_tokens=7,
        stop="END",
        seed=3,
        user="somebody",
        n=1,
        tools=[],
        response_format={"type": "text"},
    )
    sampling = world.double(world.analyst).seen[0][1]
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (0.5, 0.9, 7)
    assert (sampling.stop, sampling.seed) == (("END",), 3)


def test_text_parts_and_developer_messages(world: World, client: Clients) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [
        {"role": "developer", "content": "be kind"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": "c", "refusal": None, "tool_calls": None},
        {"role": "user", "content": "d"},
    ]
    client("ana").chat.completions.create(model="desk", messages=messages)
    seen = world.double(world.analyst).seen[0][0]
    assert [(m.role, m.content) for m in seen] == [
        ("system", "be kind"),
        ("user", "ab"),
        ("assistant", "c"),
        ("user", "d"),
    ]


def test_an_api_is_one_more_model(world: World, client: Clients) -> None:
    ref = world.endpoint("endpoints/api", None, api={"url": "https://x", "name": "m"})
    answer = ask(client("cy"), "api", "hi")
    assert answer.choices[0].message.content == "their-model: hi "
    assert answer.inhouse["model"] == "their-model"
    assert world.engines.opened == [str(ref)]


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_aborts_the_model(
    world: World, client: Clients, stream: bool
) -> None:
    double = world.double(world.analyst)
    impatient = client("ana").with_options(timeout=1.0)
    if stream:
        answer = ask(impatient, "desk", "hang", stream=True)
        next(iter(answer))
        assert double.started.wait(10)
        answer.close()
    else:
        with pytest.raises(openai.APITimeoutError):
            ask(impatient, "desk", "hang")
    assert double.aborted.wait(10)


def test_sixteen_at_once_load_one_engine(world: World, client: Clients) -> None:
    shared = client("ana")

    def one(number: int) -> str:
        if number % 2:
            return ask(shared, "desk", f"q{number}").choices[0].message.content
        chunks = ask(shared, "desk", f"q{number}", stream=True)
        return "".join(c.choices[0].delta.content or "" for c in chunks)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(one, range(16)))
    assert answers == [f"analyst: q{n} " for n in range(16)]
    assert world.engines.opened == [str(world.analyst)]


def test_a_moved_head_is_seen_at_the_next_request(world: World, client: Clients) -> None:
    shared = client("ana")
    old = world.double(world.analyst)
    answers: list[str] = []
    asking = threading.Thread(
        target=lambda: answers.append(ask(shared, "desk", "wait").choices[0].message.content)
    )
    asking.start()
    assert old.started.wait(10)
    newer = world.put("models/analyst", "newer", world.memos)
    world.double(newer).name = "newer"
    world.endpoint("endpoints/desk", newer)
    assert ask(shared, "desk", "hi").choices[0].message.content == "newer: hi "
    assert not old.closed.is_set()
    old.go.set()
    asking.join(20)
    assert answers == ["analyst: wait "]
    assert old.closed.wait(10)


def test_a_load_that_failed_is_tried_again(world: World, client: Clients) -> None:
    shared = client("ana")
    world.engines.fail = True
    with pytest.raises(openai.InternalServerError):
        ask(shared, "desk", "hi")
    world.engines.fail = False
    assert ask(shared, "desk", "hi").choices[0].message.content == "analyst: hi "


def test_a_failure_midway_is_an_event(client: Clients, caplog: pytest.LogCaptureFixture) -> None:
    stream = ask(client("ana"), "desk", "break", stream=True)
    texts = []
    with pytest.raises(openai.APIError, match="Tell the operator the id") as caught:
        for chunk in stream:
            texts.append(chunk.choices[0].delta.content)
    assert texts == ["analyst: ", "break "]
    assert "secret" not in str(caught.value)
    assert "a secret of the engine" in caplog.text


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_before_the_first_byte_has_its_status(
    client: Clients, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client("ana"), "desk", "break at once", stream=stream)
    body = caught.value.response.json()["error"]
    assert caught.value.response.headers["x-request-id"] in body["message"]
    assert "secret" not in str(body)
    assert "a secret of the engine" in caplog.text
