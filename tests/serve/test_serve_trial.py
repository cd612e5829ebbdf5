"""A canary answers its actors and no others; a shadow answers nobody, and harms nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import sqrt
from pathlib import Path
from typing import Any

import openai
import pytest
from serve_world import Model, World, running
from test_serve_door import chat, send
from test_serve_seen import scraped

from inhouse.catalog.key import Limits
from inhouse.catalog.spending import Spending
from inhouse.catalog.trials import Kind, Trial
from inhouse.core.access import Actor
from inhouse.core.artifact import Ref
from inhouse.core.errors import Refused
from inhouse.core.label import Label
from inhouse.core.nouns import Trace
from inhouse.core.protocols import Piece, Usage
from inhouse.observe.pairs import Pair, pairs
from inhouse.observe.recorder import Recorder
from inhouse.observe.traces import Traces
from inhouse.observe.wanted import Wanted
from inhouse.serve import shadow
from inhouse.serve.app import create_app
from inhouse.serve.price import Price
from inhouse.serve.seen import current
from inhouse.serve.turnstile import Turnstile

DESK = Ref.parse("endpoints/desk")
API = {"url": "http://127.0.0.1:9/v1", "name": "their-model"}
TOKENS = ("prompt_tokens", "completion_tokens")
HI = [{"role": "user", "content": "hi there"}]


@pytest.fixture
def recorder(world: World, tmp_path: Path) -> Iterator[Recorder]:
    made = world.house.sink = Recorder(tmp_path / "store" / "traces")
    yield made
    made.close()


@contextmanager
def clients(world: World) -> Iterator[Callable[[str], openai.OpenAI]]:
    made: list[openai.OpenAI] = []
    with running(create_app(world.house)) as listening:

        def make(actor: str) -> openai.OpenAI:
            url = f"{listening.url}/v1"
            _, key = world.key(actor)
            made.append(openai.OpenAI(api_key=key, base_url=url, max_retries=0, timeout=20))
            return made[-1]

        yield make
        for client in made:
            client.close()


def candidate(world: World, *, source: Ref | None = None) -> tuple[Ref, Model]:
    """Make a version of the desk with another model, which waits; return it and the model."""
    model = world.put("models/analyst", "second", source or world.memos)
    return world.endpoint("endpoints/desk", model, point=False), world.double(model)


def tried(world: World, ref: Ref, percent: float = 100, kind: Kind = "canary") -> Trial:
    return world.catalog.trials.begin(ref, kind=kind, percent=percent, by="ana")


def ask(client: openai.OpenAI, model: str = "desk") -> str:
    """Return the version that answers, as the body says it and the header bears out."""
    raw = client.chat.completions.with_raw_response.create(model=model, messages=HI)
    ours = raw.parse().model_extra["inhouse"]
    assert raw.headers["x-inhouse-digest"] == ours["digest"]
    return ours["endpoint"].partition("@")[2]


def until(true: Callable[[], object], seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def find(world: World, wanted: Wanted, reader: str = "ana") -> Sequence[Trace]:
    traces = Traces(world.catalog, world.catalog.root / "traces")
    return traces.find(world.catalog.access.actor(reader), wanted, last=1_000).traces


def both(world: World, reader: str = "ana") -> Sequence[Pair]:
    traces = Traces(world.catalog, world.catalog.root / "traces")
    return pairs(traces, world.catalog.access.actor(reader), Wanted()).pairs


@pytest.mark.parametrize("recorded", [True, False])
def test_a_thousand_actors_keep_their_version(
    world: World, recorded: bool, recorder: Recorder
) -> None:
    world.house.sink = recorder if recorded else None
    ref, _ = candidate(world)
    actors = [Actor(f"actor-{i}", frozenset({"buy-side"})) for i in range(1_000)]

    async def canaries(few: Sequence[Actor]) -> set[str]:
        found = set()
        for actor in few:
            async with world.house.endpoint("desk", actor) as served:
                if served.endpoint.ref == ref:
                    found.add(actor.name)
        return found

    async def whole() -> None:
        tried(world, ref, 10)
        ten = await canaries(actors)
        assert abs(len(ten) - 100) <= 4 * sqrt(90)
        assert await canaries(actors[:100]) == {a.name for a in actors[:100]} & ten
        tried(world, ref, 30)
        thirty = await canaries(actors)
        assert ten < thirty
        assert abs(len(thirty) - 300) <= 4 * sqrt(210)
        await world.house.close()

    asyncio.run(whole())


def test_an_end_is_instant_and_what_was_begun_ends_where_it_began(
    world: World, recorder: Recorder
) -> None:
    first = world.catalog.get(DESK).ref
    ref, model = candidate(world)
    with clients(world) as client:
        ana = client("ana")
        assert ask(ana) == first.version
        tried(world, ref)
        assert ask(ana) == ref.version
        wait = [{"role": "user", "content": "wait"}]
        with ana.chat.completions.create(model="desk", messages=wait, stream=True) as stream:
            next(iter(stream))
            world.catalog.trials.end(DESK, by="ana", why="enough")
            assert ask(ana) == first.version
            assert not model.closed.is_set()
            model.go.set()
            *_, last = stream
            assert last.model_extra["inhouse"]["endpoint"] == ref.pinned
        assert model.closed.wait(20), "nobody needs it any more"
        assert not world.double(world.analyst).closed.is_set()
        assert {t.endpoint for t in find(world, Wanted())} == {first, ref}


def test_both_engines_stay_open_as_long_as_both_are_used(world: World) -> None:
    ref, model = candidate(world)
    tried(world, ref, 50)
    with clients(world) as client:
        versions: dict[str, str] = {}
        world.catalog.access.set_groups(
            {f"a{i}": frozenset({"buy-side"}) for i in range(12)}, by="admin"
        )
        asking = [client(f"a{i}") for i in range(12)]
        for _ in range(2):
            for i, each in enumerate(asking):
                assert versions.setdefault(f"a{i}", ask(each)) == ask(each)
        time.sleep(2.5)  # a look of the upkeep
        assert len(set(versions.values())) == 2
        opened = [name for name in world.engines.opened if "models/analyst" in name]
        assert len(opened) == 2
        assert not model.closed.is_set()
        world.catalog.releases.release(ref, by="ana")
        assert {ask(each) for each in asking} == {ref.version}
        assert world.double(world.analyst).closed.wait(20)


@pytest.mark.parametrize("recorded", [True, False])
def test_whom_the_canary_does_not_admit_stays_where_he_is(
    world: World, recorded: bool, recorder: Recorder
) -> None:
    world.house.sink = recorder if recorded else None
    served = world.endpoint("endpoints/desk", world.base)
    ref, model = candidate(world)
    tried(world, ref)
    with clients(world) as client:
        cy, ana = client("cy"), client("ana")
        assert ask(cy) == served.version
        assert ask(ana) == ref.version
        assert len(model.seen) == 1
        world.catalog.access.set_groups({"cy": frozenset({"buy-side"})}, by="admin")
        assert (ask(cy), ask(ana)) == (ref.version, served.version)
    assert all(entry.allowed for entry in world.catalog.audit())


def test_a_canary_lets_nobody_in(world: World, recorder: Recorder) -> None:
    """What is served carries buy-side, the canary nothing: it answers no outsider yet."""
    ref = world.endpoint("endpoints/desk", world.base, point=False)
    tried(world, ref)
    with clients(world) as client:
        with pytest.raises(openai.PermissionDeniedError, match="buy-side"):
            ask(client("cy"))
        assert ask(client("ana")) == ref.version


def test_a_search_is_in_the_documents_of_the_version_that_answers(world: World) -> None:
    other = world.put("knowledge/desk", "other", world.handbook)
    ref = world.endpoint("endpoints/help", world.base, other, point=False)
    tried(world, ref)
    with clients(world) as client:
        body = {"knowledge": "help", "query": "parents"}
        found = client("cy").post("/search", body=body, cast_to=object)
    assert found["inhouse"]["knowledge"] == other.pinned


@pytest.mark.parametrize("stream", [False, True])
def test_a_shadow_is_recorded_and_never_shown(
    world: World, recorder: Recorder, stream: bool
) -> None:
    first = world.catalog.get(DESK).ref
    ref, model = candidate(world)
    model.answers = ["quite another answer"]
    tried(world, ref, kind="shadow")
    with clients(world) as client:
        ana = client("ana")
        said = ana.chat.completions.create(model="desk", messages=HI, stream=stream)
        shown = str(list(said) if stream else said)
        assert "another" not in shown
        assert ref.version not in shown
        until(lambda: both(world))
    (pair,) = both(world)
    assert pair.shown
    assert (pair.shown.endpoint, pair.shadow.endpoint) == (first, ref)
    assert (pair.shown.state, pair.shadow.state) == ("done", "done")
    assert pair.shadow.extra == {"shadow_of": pair.shown.id}
    assert pair.shadow.id == f"shadow-{pair.shown.id}"
    assert pair.shadow.answer == "quite another answer "
    assert pair.shadow.request == pair.shown.request
    assert str(pair.shadow.label) == "buy-side"
    assert find(world, Wanted(shadow=False)) == [pair.shown]
    world.catalog.access.set_groups({}, by="admin")
    assert not both(world)


def test_a_shadow_follows_only_whom_the_candidate_admits(world: World, recorder: Recorder) -> None:
    world.endpoint("endpoints/desk", world.base)
    ref, model = candidate(world)
    tried(world, ref, kind="shadow")
    with clients(world) as client:
        ask(client("cy"))
        ask(client("ana"))
        until(lambda: both(world))
    assert [pair.shadow.actor for pair in both(world)] == ["ana"]
    assert len(model.seen) == 1


class Hanging(Model):
    """Begins, and never ends."""

    async def chat(self, messages, sampling):
        self.seen.append((tuple(messages), sampling))
        await asyncio.Event().wait()
        yield


def test_a_shadow_that_hangs_delays_nobody(
    world: World, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    ref, _ = candidate(world)
    hanging = world.engines.models[world.catalog.get(ref).parents[0].parent.version] = Hanging()
    tried(world, ref, kind="shadow")
    with clients(world) as client:
        ana = client("ana")
        for _ in range(shadow.MOST + 3):
            assert ask(ana) != ref.version
        until(lambda: len(hanging.seen) == shadow.MOST)
    # The server has stopped, though they had not.
    assert [pair.shadow.state for pair in both(world)] == ["aborted"] * shadow.MOST
    assert len(hanging.seen) == shadow.MOST
    assert len(find(world, Wanted(shadow=False, state="done"))) == shadow.MOST + 3
    assert "1 dropped so far" in caplog.text
    assert hanging.closed.is_set()


class Well(Model):
    """Answers whatever it is asked."""

    async def chat(self, messages, sampling):
        yield Piece("Well.", "stop", Usage(1, 1))


def test_what_hangs_of_an_earlier_trial_keeps_nothing_out(world: World, recorder: Recorder) -> None:
    ref, _ = candidate(world)
    hanging = world.engines.models[world.catalog.get(ref).parents[0].parent.version] = Hanging()
    tried(world, ref, kind="shadow")
    with clients(world) as client:
        ana = client("ana")
        for _ in range(shadow.MOST):
            ask(ana)
        until(lambda: len(hanging.seen) == shadow.MOST)
        other = world.endpoint("endpoints/desk", world.base, point=False)
        tried(world, other, kind="shadow")
        ask(ana)
        until(lambda: find(world, Wanted(endpoint=other.pinned, state="done")))
        aborted = Wanted(endpoint=ref.pinned, state="aborted")
        until(lambda: len(find(world, aborted)) == shadow.MOST)
        assert hanging.closed.wait(20)


def test_a_shadow_that_fails_is_on_record(world: World, recorder: Recorder) -> None:
    ref, model = candidate(world)
    world.engines.models[world.analyst.version] = Well()
    tried(world, ref, kind="shadow")
    with clients(world) as client:
        ana = client("ana")
        for question in ("break", "break at once"):
            asked = [{"role": "user", "content": question}]
            ana.chat.completions.create(model="desk", messages=asked)
        until(lambda: len(both(world)) == 2)
    assert {pair.shadow.state for pair in both(world)} == {"failed"}
    assert all("RuntimeError" in pair.shadow.error for pair in both(world))
    assert len(model.seen) == 2


def test_a_candidate_that_cannot_be_opened_is_on_record(world: World, recorder: Recorder) -> None:
    ref, _ = candidate(world)
    with clients(world) as client:
        ana = client("ana")
        ask(ana)
        world.engines.fail = True
        tried(world, ref, kind="shadow")
        ask(ana)
        until(lambda: both(world))
    (pair,) = both(world)
    assert (pair.shadow.state, pair.shadow.error) == ("failed", "RuntimeError: no memory")
    assert pair.shadow.label == Label.parse("buy-side")


@pytest.mark.parametrize("hangs", [True, False])
def test_a_shadow_takes_no_turn_and_no_budget(
    world: World, recorder: Recorder, hangs: bool
) -> None:
    world.house.turnstile = Turnstile(1, 0)
    ref, _ = candidate(world)
    if hangs:
        world.engines.models[world.catalog.get(ref).parents[0].parent.version] = Hanging()
    tried(world, ref, kind="shadow")
    key, secret = world.catalog.keys.create("ana", by="admin", allowed=Limits(None, 1_000, 1))
    spent = 0
    with (
        running(create_app(world.house)) as listening,
        openai.OpenAI(api_key=secret, base_url=f"{listening.url}/v1", max_retries=0) as client,
    ):
        for _ in range(3):
            answer = client.chat.completions.create(model="desk", messages=HI)
            spent += answer.usage.total_tokens
    assert len(both(world)) == 3
    assert Spending(world.catalog.root).today(key, time.time()) == (3, spent)


def test_a_shadow_has_an_end(world: World, recorder: Recorder) -> None:
    ref, _ = candidate(world)
    world.engines.models[world.catalog.get(ref).parents[0].parent.version] = Hanging()
    tried(world, ref, kind="shadow")

    async def whole() -> None:
        from inhouse.serve.bodies import ChatBody
        from inhouse.serve.chat import ChatDialect
        from inhouse.serve.recording import Asked

        shadows = shadow.Shadows(world.house, seconds=0.1)
        body = ChatBody.model_validate({"model": "desk", "messages": HI})
        dialect = ChatDialect(body, world.catalog.access, request_id="1")
        actor = world.catalog.access.actor("ana")
        async with world.house.endpoint("desk", actor) as served:
            shadows.send(served, dialect, Asked("1", "/", {}, False))
        while shadows.in_flight:
            await asyncio.sleep(0.01)
        assert (shadows.sent, shadows.dropped) == (1, 0)
        await shadows.close()
        await world.house.close()

    asyncio.run(whole())
    (trace,) = find(world, Wanted(shadow=True))
    assert trace.state == "failed"
    assert "has not ended after 0.1 seconds" in trace.error


def test_what_shadows_take_is_counted_apart(world: World, recorder: Recorder) -> None:
    ref = world.endpoint("endpoints/desk", None, point=False, api=API)
    world.house._prices = {("desk", API["url"], API["name"]): Price(1e6, 1e6, "EUR")}
    tried(world, ref, kind="shadow")
    world.catalog.access.set_groups(
        {"ana": frozenset({"buy-side"}), "op": frozenset({"operator"})}, by="admin"
    )
    with running(create_app(world.house)) as listening:
        for _ in range(2):
            send(listening.url, "POST", "/v1/chat/completions", chat(), world.key("ana")[1])
        until(lambda: len(both(world)) == 2)
        found = scraped(listening.url, world.key("op")[1])
    model = "their-model"
    took = [sum(getattr(pair.shadow, name) for pair in both(world)) for name in TOKENS]
    assert min(took) > 0
    assert found["inhouse_shadow_tokens_total", "desk", "prompt", model] == took[0]
    assert found["inhouse_shadow_tokens_total", "desk", "completion", model] == took[1]
    assert found["inhouse_shadow_cost_total", "desk", model, "EUR"] == sum(took)
    assert not [name for name in found if name[0] == "inhouse_cost_total"]
    assert ("inhouse_tokens_total", "desk", "prompt", model) not in found


def test_a_share_of_the_requests(world: World, recorder: Recorder) -> None:
    ref, model = candidate(world)
    tried(world, ref, percent=30, kind="shadow")
    with clients(world) as client:
        ana = client("ana")
        for _ in range(100):
            ask(ana)
        time.sleep(0.2)
    assert abs(len(model.seen) - 30) <= 5 * sqrt(21)


def test_a_version_that_one_may_not_use_is_not_opened(world: World, recorder: Recorder) -> None:
    ref, _ = candidate(world)

    async def whole() -> None:
        actor = world.catalog.access.actor("cy")
        async with world.house.endpoint("desk", actor, version=ref):
            pass

    with pytest.raises(Refused):
        asyncio.run(whole())


def test_a_shadow_is_no_part_of_the_request_it_follows(
    world: World, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    answer = shadow.Shadows._record

    async def watched(self: shadow.Shadows, *given: Any) -> None:
        seen.append(current().id)
        await answer(self, *given)

    monkeypatch.setattr(shadow.Shadows, "_record", watched)
    ref, _ = candidate(world)
    tried(world, ref, kind="shadow")
    with clients(world) as client:
        ask(client("ana"))
        until(lambda: both(world))
    assert seen == [""]
