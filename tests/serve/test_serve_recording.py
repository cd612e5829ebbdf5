"""Every answer is on record before its last byte leaves, however it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import openai
import pytest
from serve_world import World, running

from inhouse.core.access import Actor
from inhouse.core.errors import StoreError
from inhouse.core.nouns import Trace
from inhouse.observe.recorder import Recorder
from inhouse.observe.traces import Traces
from inhouse.observe.wanted import Wanted
from inhouse.serve.app import create_app
from inhouse.serve.recording import Asked

HI = [{"role": "user", "content": "hi there"}]


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(tmp_path / "store" / "traces")
    yield made
    made.close()


@pytest.fixture
def ana(world: World, recorder: Recorder) -> Iterator[openai.OpenAI]:
    world.house.sink = recorder
    with running(create_app(world.house)) as listening:
        _, secret = world.key("ana")
        with openai.OpenAI(
            api_key=secret, base_url=f"{listening.url}/v1", max_retries=0, timeout=20
        ) as client:
            yield client


def traces(world: World, tmp_path: Path) -> Sequence[Trace]:
    reader = world.catalog.access.actor("ana")
    return Traces(world.catalog, tmp_path / "store" / "traces").find(reader, Wanted()).traces


def test_an_answer_is_on_record(world: World, ana: openai.OpenAI, tmp_path: Path):
    said = ana.chat.completions.create(model="desk", messages=HI, temperature=0.5)
    (trace,) = traces(world, tmp_path)
    assert said.id == f"chatcmpl-{trace.id}"
    assert (trace.state, trace.actor, trace.route) == ("done", "ana", "/v1/chat/completions")
    assert trace.answer == said.choices[0].message.content
    assert trace.request == {"model": "desk", "messages": HI, "temperature": 0.5}
    assert str(trace.endpoint) in said.model_extra["inhouse"]["endpoint"]
    assert (trace.model, trace.digest) == (
        said.model_extra["inhouse"]["model"],
        said.model_extra["inhouse"]["digest"],
    )
    assert trace.completion_tokens == said.usage.completion_tokens
    assert 0 <= trace.first_token_seconds <= trace.seconds


def test_several_answers_are_several_records(world: World, ana: openai.OpenAI, tmp_path: Path):
    said = ana.chat.completions.create(model="desk", messages=HI, n=2)
    request = said.id.removeprefix("chatcmpl-")
    assert {t.id for t in traces(world, tmp_path)} == {request, f"{request}-1"}
    told = [choice.model_extra["inhouse"]["id"] for choice in said.choices]
    assert told == [request, f"{request}-1"]


def test_a_stream_is_on_record_before_it_begins(world: World, ana: openai.OpenAI, tmp_path: Path):
    ask = [{"role": "user", "content": "wait"}]
    with ana.chat.completions.create(model="desk", messages=ask, stream=True) as stream:
        next(stream)
        assert [t.state for t in traces(world, tmp_path)] == ["open"]
        for model in world.engines.models.values():
            model.go.set()
        assert [chunk.choices[0].finish_reason for chunk in stream][-1] == "stop"
        assert [t.state for t in traces(world, tmp_path)] == ["done"]


def test_who_goes_away_leaves_a_record(world: World, ana: openai.OpenAI, tmp_path: Path):
    ask = [{"role": "user", "content": "hang"}]
    with ana.chat.completions.create(model="desk", messages=ask, stream=True) as stream:
        next(stream)
    ends = time.monotonic() + 10
    while traces(world, tmp_path)[0].state == "open" and time.monotonic() < ends:
        time.sleep(0.02)
    (trace,) = traces(world, tmp_path)
    assert trace.state == "aborted"
    assert "hang" in trace.answer
    assert (trace.prompt_tokens, trace.completion_tokens) == (1, 2)


def test_a_cut_off_answer_carries_all_that_it_may_rest_on(
    world: World, ana: openai.OpenAI, tmp_path: Path
):
    async def reach() -> tuple[set[str], Trace]:
        actor = world.catalog.access.actor("ana")
        async with world.house.endpoint("help", actor) as served:
            found = world.house.reach(served)
            return {d.thing.path for d in found}, Asked("1", "/", {}, True).trace(served, 0, found)

    sources, trace = asyncio.run(reach())
    assert sources
    assert {source.path for source in trace.sources} == sources
    for path in sources:
        label = world.catalog.access.labels()[path]
        assert trace.label.join(label) == trace.label


def test_a_failure_is_on_record(world: World, ana: openai.OpenAI, tmp_path: Path):
    with pytest.raises(openai.InternalServerError):
        ana.chat.completions.create(model="desk", messages=[{"role": "user", "content": "break"}])
    (trace,) = traces(world, tmp_path)
    assert trace.state == "failed"
    assert "RuntimeError" in trace.error


class Full:
    """A sink that has no room."""

    async def record(self, trace: Trace) -> None:
        raise StoreError("Nothing can be recorded: the disk is full.", "Free some space.")


@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_recorded_is_not_answered(world: World, ana: openai.OpenAI, stream: bool):
    world.house.sink = Full()
    with pytest.raises(openai.APIStatusError) as error:
        ana.chat.completions.create(model="desk", messages=HI, stream=stream)
    assert error.value.status_code == 503


def test_a_refusal_stands_in_the_audit_log(world: World, recorder: Recorder, tmp_path: Path):
    world.house.sink = recorder

    async def ask(actor: Actor) -> None:
        async with world.house.endpoint("desk", actor):
            pass

    with pytest.raises(Exception, match="may not use"):
        asyncio.run(ask(world.catalog.access.actor("cy")))
    assert not world.catalog.audit(last=1)[0].allowed
    assert traces(world, tmp_path) == []
