"""What is served moves between requests: a request ends on what it began with."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import openai
import pytest
from serve_world import World, running

from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, NotFound
from inhouse.serve.app import create_app

DESK = Ref.parse("endpoints/desk")
Clients = Callable[[str], openai.OpenAI]


def released(world: World, text: str) -> tuple[Ref, Ref]:
    """Make and release a version of the desk with another model; return it and the model."""
    model = world.put("models/analyst", text, world.memos)
    ref = world.endpoint("endpoints/desk", model, point=False)
    world.catalog.releases.release(ref, by="ana")
    return ref, model


class Stream(threading.Thread):
    """Asks a question that waits until its model may go on; `begun` once text came."""

    def __init__(self, client: openai.OpenAI) -> None:
        super().__init__()
        self.client = client
        self.begun = threading.Event()
        self.digest, self.text, self.last = "", "", {}

    def run(self) -> None:
        asked = [{"role": "user", "content": "wait"}]
        with self.client.chat.completions.with_streaming_response.create(
            model="desk", messages=asked, stream=True
        ) as response:
            self.digest = response.headers["x-inhouse-digest"]
            for line in response.iter_lines():
                if line.startswith("data: {"):
                    self.last = json.loads(line.removeprefix("data: "))
                    self.text += self.last["choices"][0]["delta"].get("content", "")
                    self.begun.set()


def digest_of(client: openai.OpenAI) -> str:
    asked = [{"role": "user", "content": "hi"}]
    raw = client.chat.completions.with_raw_response.create(model="desk", messages=asked)
    return raw.headers["x-inhouse-digest"]


def test_an_answer_ends_on_the_digest_it_began_with(world: World, client: Clients) -> None:
    catalog = world.catalog
    first = world.analyst
    catalog.releases.release(catalog.get(DESK).ref, by="admin")
    one = Stream(client("ana"))
    one.start()
    assert one.begun.wait(20)
    second_ref, second = released(world, "second")
    two = Stream(client("ana"))
    two.start()
    assert two.begun.wait(20)
    before = catalog.releases.before(DESK)
    catalog.releases.roll_back(before.ref, to=before, by="ana")
    assert digest_of(client("ana")) == catalog.get(first).digest
    assert not world.double(first).closed.is_set()
    assert not world.double(second).closed.is_set(), "somebody still hears it"
    for stream, model in ((one, first), (two, second)):
        world.double(model).go.set()
        stream.join(20)
        assert stream.digest == stream.last["inhouse"]["digest"] == catalog.get(model).digest
        assert stream.last["choices"][0]["finish_reason"] == "stop"
    assert two.last["inhouse"]["endpoint"] == f"endpoints/desk@{second_ref.version}"
    assert world.double(second).closed.wait(20)
    assert not world.double(first).closed.is_set()


def test_a_retired_endpoint_closes_its_engine_though_nobody_asks(world: World) -> None:
    with running(create_app(world.house)) as listening:
        _, key = world.key("ana")
        with openai.OpenAI(api_key=key, base_url=f"{listening.url}/v1") as client:
            assert digest_of(client)
        world.catalog.retire(DESK, by="admin")
        assert world.double(world.analyst).closed.wait(20)


def test_rollbacks_go_further_back_and_are_on_record(world: World) -> None:
    releases = world.catalog.releases
    refs = [world.catalog.get(DESK).ref]
    releases.release(refs[0], by="admin")
    refs += [released(world, text)[0] for text in ("two", "three")]
    for expected in (refs[1], refs[0]):
        before = releases.before(DESK)
        releases.roll_back(before.ref, to=before, by="bo")
        assert world.catalog.get(DESK).ref == expected
    with pytest.raises(BadInput, match="Nothing was released as endpoints/desk before"):
        releases.before(DESK)
    assert [(r.ref, r.actor, r.withdrawn is None) for r in releases.history(DESK)] == [
        (refs[0], "admin", True),
        (refs[1], "ana", False),
        (refs[2], "ana", False),
    ]
    told = [e for e in world.catalog.audit() if e.action in ("release", "rollback")]
    assert [(e.action, e.actor) for e in told] == [
        ("release", "admin"),
        ("release", "ana"),
        ("release", "ana"),
        ("rollback", "bo"),
        ("rollback", "bo"),
    ]


def test_what_is_renewed_must_still_be_served(world: World) -> None:
    releases = world.catalog.releases
    first = world.catalog.get(DESK).ref
    releases.release(first, by="admin")
    second, _ = released(world, "second")
    third = world.endpoint("endpoints/desk", world.analyst, top=7, point=False)
    assert not releases.renew(third, served=first, by="ana")
    assert world.catalog.get(DESK).ref == second
    assert releases.renew(third, served=second, by="ana")
    assert world.catalog.get(DESK).ref == third
    assert [release.ref for release in releases.history(DESK)] == [first, third]


def test_what_is_not_there_is_not_released(world: World) -> None:
    first = world.catalog.get(DESK).ref
    second, _ = released(world, "second")
    world.catalog.delete(first, by="admin")
    for ref in (first, DESK.at("0" * 64)):
        with pytest.raises(NotFound):
            world.catalog.releases.release(ref, by="ana")
    assert world.catalog.get(DESK).ref == second
