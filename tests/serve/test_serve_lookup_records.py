"""Embeddings, ranks and searches are on record before their answers leave."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from serve_world import World, running
from test_serve_door import send
from test_serve_recording import Full

from inhouse.core.access import Actor
from inhouse.core.label import Label
from inhouse.core.nouns import Trace
from inhouse.observe.erase import erase
from inhouse.observe.recorder import Recorder
from inhouse.observe.roll import roll
from inhouse.observe.traces import Traces
from inhouse.observe.wanted import Wanted
from inhouse.serve.app import create_app
from inhouse.serve.recording import Asked

EMBED = {"model": "minilm", "input": ["a secret", "two"]}
RANK = {"model": "minilm", "query": "leave", "documents": ["a secret", "b"]}
SEARCH = {"knowledge": "desk", "query": "parents", "top": 5}
BODIES = {"/v1/embeddings": EMBED, "/v1/rerank": RANK, "/v1/search": SEARCH}


@pytest.fixture
def url(world: World, tmp_path: Path) -> Iterator[str]:
    recorder = Recorder(tmp_path / "store" / "traces")
    world.house.sink = recorder
    with running(create_app(world.house)) as listening:
        yield listening.url
    recorder.close()


def ask(url: str, path: str, key: str) -> tuple[int, dict[str, object], dict[str, str]]:
    return send(url, "POST", path, json.dumps(BODIES[path]).encode(), key)


def traces(world: World, tmp_path: Path, actor: str = "ana") -> Sequence[Trace]:
    reader = world.catalog.access.actor(actor)
    return Traces(world.catalog, tmp_path / "store" / "traces").find(reader, Wanted()).traces


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/rerank"])
def test_vectors_are_on_record(world: World, url: str, tmp_path: Path, path: str) -> None:
    status, told, headers = ask(url, path, world.key("ana")[1])
    assert status == 200
    (trace,) = traces(world, tmp_path)
    assert (trace.id, trace.actor, trace.route) == (headers["x-request-id"], "ana", path)
    assert (trace.state, trace.model) == ("done", world.minilm.pinned)
    assert trace.digest == world.catalog.get(world.minilm).digest
    assert trace.prompt_tokens == told["usage"]["prompt_tokens"] > 0
    assert (trace.seconds or 0) > 0
    held = trace.request.get("input") or trace.request["documents"]
    assert (held["texts"], len(held["sha256"])) == (2, 64)
    assert "a secret" not in json.dumps(trace.request)


def test_a_search_is_on_record(world: World, url: str, tmp_path: Path) -> None:
    status, told, _ = ask(url, "/v1/search", world.key("ana")[1])
    assert status == 200
    (trace,) = traces(world, tmp_path)
    assert trace.model == world.knowledge.pinned == told["inhouse"]["knowledge"]
    assert trace.request == SEARCH
    assert list(trace.sections) == [hit["id"] for hit in told["data"]] == ["s0", "s1", "s2"]
    assert set(trace.sources) == {world.handbook, world.memos}
    assert str(trace.label) == told["inhouse"]["label"] == "buy-side"


def test_a_section_that_was_opened_is_on_record(world: World, url: str, tmp_path: Path) -> None:
    query = {"source": world.memos.pinned, "id": "s1"}
    path = f"/v1/sections?{urlencode(query)}"
    before = len(world.catalog.audit(last=1000))
    assert send(url, "GET", path, key=world.key("ana")[1])[0] == 200
    assert len(world.catalog.audit(last=1000)) == before + 1, "the key was made"
    (trace,) = traces(world, tmp_path)
    assert (trace.route, trace.state, trace.request) == ("/v1/sections", "done", query)
    assert (trace.sections, trace.sources) == (("s1",), (world.memos,))
    assert trace.label == Label.parse("buy-side")
    assert send(url, "GET", path, key=world.key("cy")[1])[0] == 403
    assert not world.catalog.audit(last=1)[0].allowed
    world.house.sink = Full()
    assert send(url, "GET", path, key=world.key("ana")[1])[0] == 503


def test_who_may_no_longer_read_a_source_may_not_read_what_was_found(
    world: World, url: str, tmp_path: Path
) -> None:
    world.catalog.access.set_groups(
        {"ana": frozenset({"buy-side"}), "eve": frozenset({"auditor"})}, by="admin"
    )
    ask(url, "/v1/search", world.key("ana")[1])
    ask(url, "/v1/search", world.key("cy")[1])
    assert [trace.actor for trace in traces(world, tmp_path, "eve")] == ["cy"]
    assert len(traces(world, tmp_path, "ana")) == 1
    world.catalog.access.set_label(world.handbook, Label.parse("hr"), by="admin")
    for reader in ("ana", "cy", "eve"):
        assert not traces(world, tmp_path, reader)


@pytest.mark.parametrize("path", BODIES)
def test_what_cannot_be_recorded_is_not_told(world: World, url: str, path: str) -> None:
    world.house.sink = Full()
    status, told, _ = ask(url, path, world.key("ana")[1])
    assert (status, told["error"]["code"]) == (503, "store_error")


@pytest.mark.parametrize("path", BODIES)
def test_a_yes_stands_in_the_trace_and_a_no_in_the_audit_log(
    world: World, url: str, tmp_path: Path, path: str
) -> None:
    _, key = world.key("ana")
    before = len(world.catalog.audit(last=1000))
    assert ask(url, path, key)[0] == 200
    assert len(world.catalog.audit(last=1000)) == before
    for thing in (world.minilm, world.handbook):
        world.catalog.access.set_label(thing, Label.parse("hr"), by="admin")
    assert ask(url, path, key)[0] == 403
    assert not world.catalog.audit(last=1)[0].allowed


def test_a_failed_search_is_on_record(
    world: World, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no index")

    monkeypatch.setattr(world.engines.retriever_double, "search", fail)
    assert ask(url, "/v1/search", world.key("ana")[1])[0] == 500
    (trace,) = traces(world, tmp_path)
    assert (trace.state, trace.error) == ("failed", "RuntimeError: no index")


def test_they_can_be_erased(world: World, url: str, tmp_path: Path) -> None:
    _, key = world.key("ana")
    for path in BODIES:
        ask(url, path, key)
    assert len(traces(world, tmp_path)) == 3
    ana = world.catalog.access.actor("ana")
    assert erase(world.catalog, tmp_path / "store" / "traces", by=ana, actor="ana") == 3
    assert not traces(world, tmp_path)


async def test_a_day_with_searches_is_rolled_up(world: World, tmp_path: Path) -> None:
    folder, now = tmp_path / "store" / "traces", time.time()
    recorder = Recorder(folder)
    asked = Asked("r1", "/v1/search", SEARCH, at=now - 2 * 86_400)
    trace = asked.lookup(Actor("cy"), world.knowledge, Label.OPEN)
    await recorder.record(replace(trace, state="done", sources=(world.handbook,)))
    recorder.close()
    (made,) = roll(world.catalog, folder, by="admin", now=now).made
    assert made.summary["traces"] == 1
    assert [found.id for found in traces(world, tmp_path, "cy")] == ["r1"]
    world.catalog.access.set_label(world.handbook, Label.parse("hr"), by="admin")
    assert not traces(world, tmp_path, "cy")
