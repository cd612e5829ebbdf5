"""An endpoint with several models: the first that can answer does, and what comes says which."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import openai
import pytest
from serve_world import Model, World, running
from upstream import Upstream, upstream

from inhouse.core.artifact import Edge, Ref
from inhouse.core.errors import BadInput, EngineStopped, NotSetUp, TooLong
from inhouse.core.nouns import Message, Trace
from inhouse.core.protocols import Piece, Sampling
from inhouse.core.stage import Recipe
from inhouse.models.language import LocalModel
from inhouse.models.load import load_language
from inhouse.observe.recorder import Recorder
from inhouse.observe.traces import Traces
from inhouse.observe.wanted import Wanted
from inhouse.project.loaders import Loaders
from inhouse.serve.app import create_app
from inhouse.serve.chain import REST_SECONDS, Resting
from inhouse.serve.endpoint import STAGE, Serve, by_model, role
from inhouse.serve.price import Price

DESK = Ref.parse("endpoints/desk")
HI = [{"role": "user", "content": "hi"}]
PARENTS = [{"role": "user", "content": "How long may parents stay away?"}]
NOWHERE = "http://127.0.0.1:9/v1"


class Clock:
    """Time that passes when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(world: World) -> Clock:
    """The clock by which models of the world's house rest; APIs are real from here on."""
    made = Clock()
    world.house._resting = Resting(clock=made)
    world.engines.api = Loaders(world.catalog).api  # type: ignore[method-assign]
    return made


@pytest.fixture
def api() -> Iterator[Upstream]:
    with upstream() as running_one:
        yield running_one


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(tmp_path / "store" / "traces")
    yield made
    made.close()


@pytest.fixture
def ana(world: World, clock: Clock, recorder: Recorder) -> Iterator[openai.OpenAI]:
    """Somebody who may use everything, at a server that records."""
    world.house.sink = recorder
    with ExitStack() as stack:
        listening = stack.enter_context(running(create_app(world.house)))
        _, secret = world.key("ana")
        made = openai.OpenAI(
            api_key=secret, base_url=f"{listening.url}/v1", max_retries=0, timeout=20
        )
        yield stack.enter_context(made)


def bought(url: str, **more: str) -> dict[str, str]:
    return {"url": url, "name": "gpt-x", **more}


def chain(
    world: World, *models: Ref | dict[str, str], knowledge: Ref | None = None, **settings: object
) -> Ref:
    """Let the desk ask these models in turn."""
    edges = [Edge(role(i), model) for i, model in enumerate(models) if isinstance(model, Ref)]
    edges += [Edge("knowledge", knowledge, "filter")] if knowledge else []
    links = [{"role": role(i)} if isinstance(m, Ref) else m for i, m in enumerate(models)]
    recipe = Recipe(DESK, STAGE, Serve(chain=links, **settings), tuple(edges))
    return world.catalog.make(recipe, by="admin").artifact.ref


def traces(world: World, tmp_path: Path) -> Sequence[Trace]:
    reader = world.catalog.access.actor("ana")
    return Traces(world.catalog, tmp_path / "store" / "traces").find(reader, Wanted()).traces


def ask(client: openai.OpenAI, **more: object) -> object:
    return client.chat.completions.create(**{"model": "desk", "messages": HI, **more})


class Broken(Model):
    """Raises before it says anything."""

    error: Exception

    async def chat(self, messages: Sequence[Message], sampling: Sampling):  # type: ignore[override]
        self.seen.append((tuple(messages), sampling))
        raise self.error
        yield Piece("")


def broken(world: World, ref: Ref, error: Exception) -> Broken:
    made = Broken(ref.name)
    made.error = error
    world.engines.models[ref.version or ""] = made
    return made


def test_versions_of_endpoints_with_one_model_stay() -> None:
    model = Edge("model", Ref.parse("models/base/openvino-int8@" + "a" * 64))
    api = {"url": "https://api.example.com/v1", "name": "gpt-x", "key": "GPT_KEY"}
    assert [
        Recipe(DESK, STAGE, Serve(), (model,)).version,
        Recipe(DESK, STAGE, Serve(api=api)).version,
    ] == [
        "e4364eb9cb28aa690bb331d428d484ecadf398a4a0e462a4230f3b4000845785",
        "1e2dad545f761fd3ccdf16333efa58c375434bf4689569e51eb5e27c186f37e4",
    ]


def test_an_api_that_is_out_of_reach_is_passed_over(
    world: World, ana: openai.OpenAI, tmp_path: Path
) -> None:
    chain(world, bought(NOWHERE), world.analyst)
    raw = ana.chat.completions.with_raw_response.create(model="desk", messages=HI)
    said, ours = raw.parse(), raw.parse().inhouse
    assert said.choices[0].message.content == "analyst: hi "
    assert raw.headers["x-inhouse-model"] == ours["model"] == world.analyst.pinned
    digest = world.catalog.get(world.analyst).digest
    assert raw.headers["x-inhouse-digest"] == ours["digest"] == digest
    (tried,) = ours["tried"]
    assert tried["model"] == "gpt-x"
    assert "cannot be reached" in tried["reason"]
    (trace,) = traces(world, tmp_path)
    assert (trace.state, trace.model, trace.digest) == ("done", world.analyst.pinned, digest)
    assert trace.extra["tried"] == [{**tried, "private": "At 127.0.0.1:9."}]


def test_a_stream_names_the_model_that_answers(
    world: World, ana: openai.OpenAI, tmp_path: Path
) -> None:
    chain(world, bought(NOWHERE), world.analyst)
    with ana.chat.completions.with_streaming_response.create(
        model="desk", messages=HI, stream=True
    ) as response:
        assert response.headers["x-inhouse-model"] == world.analyst.pinned
        text = response.read().decode()
    assert "analyst: " in text
    assert '"tried":[{"model":"gpt-x"' in text
    with ana.responses.stream(model="desk", input="hi") as stream:
        kinds = [event.type for event in stream]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert {t.model for t in traces(world, tmp_path)} == {world.analyst.pinned}


def test_an_own_model_that_cannot_be_loaded_is_passed_over(
    world: World, ana: openai.OpenAI, api: Upstream
) -> None:
    world.engines.fail = True
    chain(world, world.analyst, bought(api.url))
    said = ask(ana)
    assert said.choices[0].message.content == "Ten weeks."
    assert (said.inhouse["model"], said.inhouse["digest"]) == ("gpt-x", "")
    (tried,) = said.inhouse["tried"]
    assert tried["model"] == world.analyst.pinned
    assert tried["reason"] == "It failed a moment ago: It cannot be opened."
    assert "no memory" not in str(said)


@pytest.mark.parametrize(
    "error", [EngineStopped(), NotSetUp("It has no key.", "Set it."), TooLong(9, 5)]
)
def test_what_keeps_a_model_from_answering(
    world: World, ana: openai.OpenAI, api: Upstream, error: Exception
) -> None:
    broken(world, world.analyst, error)
    chain(world, world.analyst, bought(api.url))
    said = ask(ana)
    assert said.inhouse["model"] == "gpt-x"
    assert said.inhouse["tried"][0]["reason"] == error.what


def test_an_engine_that_stopped_is_opened_anew_after_its_rest(
    world: World, ana: openai.OpenAI, api: Upstream, clock: Clock
) -> None:
    stopped = broken(world, world.analyst, EngineStopped())
    chain(world, world.analyst, bought(api.url))
    assert ask(ana).inhouse["model"] == "gpt-x"
    assert stopped.closed.wait(20)
    del world.engines.models[world.analyst.version or ""]
    assert ask(ana).inhouse["model"] == "gpt-x"
    clock.now += REST_SECONDS
    assert ask(ana).inhouse["model"] == world.analyst.pinned


@pytest.mark.weights
def test_a_model_whose_process_was_killed_is_passed_over(
    world: World, ana: openai.OpenAI, api: Upstream, clock: Clock, smollm_folder: Path
) -> None:
    opened: list[LocalModel] = []

    def load(ref: Ref) -> LocalModel:
        opened.append(load_language(smollm_folder, name="smol", threads=1))
        return opened[-1]

    world.engines.model = load  # type: ignore[method-assign, assignment]
    chain(world, world.analyst, bought(api.url))
    patient = ana.with_options(timeout=120)
    assert ask(patient, max_tokens=3).inhouse["model"] == world.analyst.pinned
    opened[0]._engine._process.kill()  # type: ignore[attr-defined]
    said = ask(patient, max_tokens=3)
    assert said.inhouse["model"] == "gpt-x"
    assert said.inhouse["tried"] == [
        {"model": world.analyst.pinned, "reason": EngineStopped().what}
    ]
    clock.now += REST_SECONDS
    assert ask(patient, max_tokens=3).inhouse["model"] == world.analyst.pinned
    assert len(opened) == 2


def test_a_whole_answer_that_breaks_off_is_begun_anew_by_the_next(
    world: World, ana: openai.OpenAI, api: Upstream, tmp_path: Path
) -> None:
    api.way = "breaks"
    chain(world, bought(api.url), world.analyst)
    said = ask(ana, n=2)
    assert [choice.message.content for choice in said.choices] == ["analyst: hi "] * 2
    assert said.inhouse["model"] == world.analyst.pinned
    assert said.inhouse["tried"][0]["model"] == "gpt-x"
    found = traces(world, tmp_path)
    assert {(t.state, t.answer, t.model) for t in found} == {
        ("done", "analyst: hi ", world.analyst.pinned)
    }


def test_a_whole_answer_fails_if_all_break_off(
    world: World, ana: openai.OpenAI, api: Upstream
) -> None:
    api.way = "breaks"
    chain(world, bought(api.url), bought(api.url, name="gpt-y"))
    with pytest.raises(openai.APIStatusError, match="'gpt-x' broke off") as error:
        ask(ana)
    assert error.value.status_code == 502


def test_nothing_is_switched_after_the_first_piece_of_a_stream(
    world: World, ana: openai.OpenAI, api: Upstream
) -> None:
    api.way = "breaks"
    chain(world, bought(api.url), world.analyst)
    with pytest.raises(openai.APIError, match="broke off with an error of its own"):
        list(ask(ana, stream=True))
    assert not world.double(world.analyst).seen
    assert ask(ana).inhouse["model"] == world.analyst.pinned, "but others are asked next"


def test_if_nothing_can_be_opened_the_first_says_why(
    world: World, ana: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIRST_KEY", raising=False)
    monkeypatch.delenv("SECOND_KEY", raising=False)
    chain(world, bought(NOWHERE, key="FIRST_KEY"), bought(NOWHERE, key="SECOND_KEY"))
    for _ in range(2):
        with pytest.raises(openai.APIStatusError, match="FIRST_KEY") as error:
            ask(ana)
        assert error.value.status_code == 503


def test_what_the_caller_did_wrong_is_no_reason(
    world: World, ana: openai.OpenAI, api: Upstream
) -> None:
    chain(world, world.analyst, bought(api.url), knowledge=world.knowledge)
    with pytest.raises(openai.BadRequestError, match="not the user's"):
        ask(ana, messages=[{"role": "assistant", "content": "hi"}])
    with pytest.raises(openai.BadRequestError, match="not from raw prompts"):
        ana.completions.create(model="desk", prompt="hi")
    with pytest.raises(openai.BadRequestError, match="An endpoint with knowledge cannot do tools"):
        ask(ana, tools=[{"type": "function", "function": {"name": "now"}}])
    assert not api.asked


def test_a_model_that_cannot_do_it_is_followed_by_one_that_can(
    world: World, ana: openai.OpenAI, api: Upstream
) -> None:
    api.way = "calls"
    chain(world, bought(api.url), world.analyst)
    said = ana.completions.create(model="desk", prompt=["ab", "cd"], n=2, max_tokens=2)
    assert [choice.text for choice in said.choices] == ["AB", "AB", "CD", "CD"]
    assert said.inhouse["model"] == world.analyst.pinned
    assert "raw prompts" in said.inhouse["tried"][0]["reason"]
    # That says nothing of the next request.
    called = ask(ana, tools=[{"type": "function", "function": {"name": "now"}}])
    assert called.choices[0].message.tool_calls[0].function.name == "now"
    assert (called.inhouse["model"], called.inhouse["tried"]) == ("gpt-x", [])
    chain(world, bought(api.url), bought(api.url, name="gpt-y"))
    with pytest.raises(openai.BadRequestError, match="raw prompts"):
        ana.completions.create(model="desk", prompt="ab")


def test_a_model_that_failed_rests(
    world: World, ana: openai.OpenAI, api: Upstream, clock: Clock
) -> None:
    api.way = "fails"
    chain(world, bought(api.url), world.analyst)
    for _ in range(3):
        assert ask(ana).inhouse["model"] == world.analyst.pinned
    assert len(api.asked) == 2, "asked by one request, twice"
    clock.now += REST_SECONDS
    assert ask(ana).inhouse["model"] == world.analyst.pinned
    assert len(api.asked) == 4
    api.way, clock.now = "answers", clock.now + REST_SECONDS
    assert ask(ana).inhouse["model"] == "gpt-x"
    assert ask(ana).inhouse["tried"] == []


def test_a_request_that_is_refused_lets_nobody_rest(
    world: World, ana: openai.OpenAI, api: Upstream
) -> None:
    api.way = "refuses"
    chain(world, bought(api.url), world.analyst)
    said = ask(ana).inhouse["tried"][0]["reason"]
    assert said == "The model 'gpt-x' answered 400."
    api.way = "answers"
    assert ask(ana).inhouse["model"] == "gpt-x"


def test_the_last_resort_is_asked_though_it_rests(
    world: World, ana: openai.OpenAI, api: Upstream, tmp_path: Path
) -> None:
    api.way = "fails"
    chain(world, bought(api.url), bought(NOWHERE, name="gpt-y"))
    with pytest.raises(openai.APIStatusError, match="'gpt-x' answered 500") as error:
        ask(ana)
    assert error.value.status_code == 502
    host = urlsplit(api.url).netloc
    assert host not in error.value.message
    assert "not today" not in error.value.message
    (trace,) = traces(world, tmp_path)
    assert trace.state == "failed"
    assert f"At {host}. not today" in trace.error, "whoever reads the record sees all of it"
    assert "gpt-y: The model 'gpt-y' cannot be reached" in trace.error
    assert "At 127.0.0.1:9." in trace.error
    api.way = "answers"
    assert ask(ana).inhouse["model"] == "gpt-x"


def test_only_one_request_finds_out_whether_a_model_is_back() -> None:
    clock = Clock()
    resting = Resting(5, clock)
    resting.failed("a", "why")
    assert resting.reason("a") == "why"
    clock.now += 5
    assert resting.reason("a") is None
    resting.asked("a")
    assert resting.reason("a") == "why", "for all others"
    resting.works("a")
    assert resting.reason("a") is None
    resting.asked("b")
    assert resting.reason("b") is None


def test_the_labels_of_all_models_count(world: World, clock: Clock, api: Upstream) -> None:
    chain(world, bought(api.url), world.analyst)
    label = world.catalog.get(DESK).label
    assert str(label) == "buy-side"
    edges = {edge.role: edge.parent for edge in world.catalog.get(DESK).parents}
    assert edges == {"model.2": world.analyst}

    async def use() -> None:
        async with world.house.endpoint("desk", world.catalog.access.actor("cy")):
            pass

    with pytest.raises(Exception, match="may not use"):
        asyncio.run(use())


def test_the_prompt_is_made_for_the_model_that_answers(
    world: World, ana: openai.OpenAI, api: Upstream, tmp_path: Path
) -> None:
    chain(world, bought(NOWHERE), world.base, bought(api.url), knowledge=world.knowledge)
    own = world.double(world.base)
    own.context_tokens = 140
    own.answers = ["Parents get ten weeks."]
    said = ask(ana, messages=PARENTS)
    assert "ten weeks. [1]" in said.choices[0].message.content
    assert said.inhouse["model"] == world.base.pinned
    assert own.seen[0][1].repetition_penalty is not None
    own.context_tokens = 3
    own.seen.clear()
    said = ask(ana, messages=PARENTS)
    assert not own.seen
    assert said.inhouse["model"] == "gpt-x"
    assert "With pay." in api.asked[0]["messages"][-1]["content"], "an API is shown all"
    assert {each["model"] for each in said.inhouse["tried"]} == {"gpt-x", world.base.pinned}


def test_a_quotation_waits_for_the_model_that_sums_it_up(
    world: World, ana: openai.OpenAI, api: Upstream
) -> None:
    api.says = ["Parents get ten weeks."]
    chain(world, bought(NOWHERE), bought(api.url), knowledge=world.knowledge, mode="extract")
    said = ask(ana, messages=PARENTS)
    assert said.choices[0].message.content.startswith("The nearest section says:")
    assert "cannot be reached" in said.inhouse["tried"][0]["reason"]


def test_each_of_several_answers_is_from_the_one_that_can(
    world: World, ana: openai.OpenAI, api: Upstream, tmp_path: Path
) -> None:
    chain(world, bought(NOWHERE), bought(api.url))
    said = ask(ana, n=3)
    assert [choice.message.content for choice in said.choices] == ["Ten weeks."] * 3
    assert [choice.inhouse["model"] for choice in said.choices] == ["gpt-x"] * 3
    assert len(traces(world, tmp_path)) == 3


def test_an_answer_costs_what_its_tokens_do(
    world: World, ana: openai.OpenAI, api: Upstream, tmp_path: Path
) -> None:
    price = Price(0.15, 0.6, "EUR")
    world.house._prices = {("desk", api.url, "gpt-x"): price}
    chain(world, bought(api.url), world.analyst, knowledge=world.knowledge)
    said = ask(ana, messages=PARENTS)
    assert (said.inhouse["cost"], said.inhouse["price"]) == (0.00021, "EUR")
    api.says = ["And how long do parents get away?", "Parents get ten weeks."]
    talk = [*PARENTS, {"role": "assistant", "content": "Long."}, PARENTS[0]]
    said = ask(ana, messages=talk)
    assert said.usage.prompt_tokens == 2000
    assert said.inhouse["cost"] == 0.00042, "the rewriting of the question included"
    assert [(t.cost, t.price) for t in traces(world, tmp_path)] == [
        (0.00042, "EUR"),
        (0.00021, "EUR"),
    ]
    api.way = "fails"
    said = ask(ana, messages=PARENTS)
    assert (said.inhouse["cost"], said.inhouse["price"]) == (None, ""), "an own one has no price"


def test_a_chain_is_what_it_says(world: World) -> None:
    api = bought(NOWHERE)
    with pytest.raises(BadInput, match="a url, a name"):
        Serve(chain=[api, {**api, "secret": "sk"}])
    with pytest.raises(BadInput, match="stands twice"):
        Serve(chain=[api, {"role": "model.2"}, dict(api)])
    for links, edges in (
        ([{"role": "model"}, api], []),
        ([api, bought(NOWHERE, key="K")], [Edge("model", world.base)]),
    ):
        recipe = Recipe(DESK, STAGE, Serve(chain=links), tuple(edges))
        with pytest.raises(BadInput, match="needs one model"):
            world.catalog.make(recipe, by="admin")
    chain(world, world.base, api, world.analyst)
    alone = by_model(world.catalog.get(DESK))
    assert [(one.model, one.params["api"]) for one in alone] == [
        (world.base, {}),
        (None, api),
        (world.analyst, {}),
    ]
