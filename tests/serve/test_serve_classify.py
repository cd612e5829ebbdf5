"""Classes by likelihood: what comes back, what cannot be asked, what a real model makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from serve_world import Local, World, running, scored
from test_serve_chain import NOWHERE, bought, chain
from test_serve_door import send
from test_serve_seen import scraped

from inhouse.core.nouns import Trace
from inhouse.core.protocols import TokenScore
from inhouse.models.likelihood import NOTHING
from inhouse.models.load import load_language
from inhouse.serve.app import create_app

CLASSES = ["card", "cash", "a transfer abroad"]


class Judge(Local):
    """Finds a label likely if it stands in the text, and 'cash' likely behind anything."""

    async def score(self, text: object, *, top: int = 0) -> tuple[TokenScore, ...]:
        assert isinstance(text, str)
        self.seen.append(text)
        prompt, end, label = text.partition("Label:")
        worth = -1.0 if label.strip() in prompt else -3.0
        worth += 2.5 * (label == " cash")
        start = len(prompt + end)
        words = enumerate(label.split(" ")[1:])
        return (scored(prompt, None), *(scored(w, worth, start + i) for i, w in words))


class Kept:
    def __init__(self) -> None:
        self.traces: list[Trace] = []

    async def record(self, trace: Trace) -> None:
        self.traces.append(trace)


@pytest.fixture
def kept(world: World) -> Kept:
    world.engines.models[world.analyst.version or ""] = Judge()
    world.house.sink = Kept()
    return world.house.sink


@pytest.fixture
def door(world: World, kept: Kept) -> Iterator[str]:
    with running(create_app(world.house)) as listening:
        yield listening.url


def classify(
    world: World, url: str, actor: str = "ana", *, timeout: float = 20, **changes: object
) -> tuple:
    body = {"model": "desk", "input": "My card is lost", "labels": CLASSES, **changes}
    sent = json.dumps(body).encode()
    return send(url, "POST", "/v1/classify", sent, world.key(actor)[1], timeout=timeout)


def test_what_was_classified_is_seen(world: World, kept: Kept):
    seen = []
    app = create_app(world.house, watchers=[lambda each, _: seen.append(each)])
    with running(app) as listening:
        assert classify(world, listening.url)[0] == 200
    (one,) = [each for each in seen if each.route == "/v1/classify"]
    assert (one.endpoint, one.model.partition("@")[0]) == ("desk", "models/analyst")
    assert one.read > 0


def test_the_label_that_a_text_makes_likelier_comes_first(world: World, door: str, kept: Kept):
    texts = ["My card is lost", "Where is a transfer abroad?", "I want cash"]
    status, found, headers = classify(world, door, input=texts)
    assert status == 200
    best = [each["labels"][0]["label"] for each in found["data"]]
    assert best == ["card", "a transfer abroad", "cash"]
    for each in found["data"]:
        probabilities = [one["probability"] for one in each["labels"]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1, abs=1e-4)
    ours = found["inhouse"]
    assert (ours["model"], ours["label"]) == (world.analyst.pinned, "buy-side")
    assert headers["x-inhouse-digest"] == ours["digest"]
    (trace,) = kept.traces
    assert (trace.id, trace.state, trace.route) == (ours["id"], "done", "/v1/classify")
    assert trace.answer == "card\na transfer abroad\ncash\n"
    assert trace.prompt_tokens == found["usage"]["prompt_tokens"] > 0


def test_top_k(world: World, door: str):
    assert len(classify(world, door, top_k=1)[1]["data"][0]["labels"]) == 1
    assert len(classify(world, door, top_k=9)[1]["data"][0]["labels"]) == 3


def test_labels_are_weighed_once_for_each_actor(world: World, door: str):
    seen = world.double(world.analyst).seen
    groups = {actor: frozenset({"buy-side"}) for actor in ("ana", "bo")}
    world.catalog.access.apply(groups, {}, by="admin")
    for actor, count in (("ana", 1 + len(NOTHING)), ("ana", 1), ("bo", 1 + len(NOTHING))):
        seen.clear()
        classify(world, door, actor)
        assert len(seen) == count * len(CLASSES)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"labels": None}, "labels"),
        ({"labels": ["one"]}, "labels"),
        ({"labels": ["one", "one"]}, "labels"),
        ({"labels": ["one", ""]}, "labels[1]"),
        ({"input": []}, "input"),
        ({"input": ["x"] * 65}, "input"),
        ({"input": ["x"] * 64, "labels": [f"l{i}" for i in range(20)]}, "input"),
        ({"top_k": 0}, "top_k"),
        ({"model": "api"}, "model"),
    ],
)
def test_what_cannot_be_asked(world: World, door: str, kept: Kept, changes: dict, param: str):
    world.endpoint("endpoints/api", None, api={"url": "https://x", "name": "m"})
    status, found, _ = classify(world, door, **changes)
    assert (status, found["error"]["param"]) == (400, param)
    assert kept.traces == []


def test_a_failure_is_on_record(world: World, door: str, kept: Kept):
    async def fails(text: object, *, top: int = 0) -> Sequence[TokenScore]:
        raise RuntimeError("a secret of the engine")

    world.double(world.analyst).score = fails
    status, found, _ = classify(world, door)
    assert status == 500
    assert "secret" not in json.dumps(found)
    assert [trace.state for trace in kept.traces] == ["failed"]


def test_it_is_seen(world: World, door: str):
    groups = {"ana": frozenset({"buy-side"}), "op": frozenset({"operator"})}
    world.catalog.access.apply(groups, {}, by="admin")
    read = classify(world, door)[1]["usage"]["prompt_tokens"]
    found = scraped(door, world.key("op")[1])
    assert found["inhouse_requests_total", "desk", "/v1/classify", "200"] == 1
    assert found["inhouse_tokens_total", "desk", "prompt", "models/analyst"] == read


def test_of_several_models_one_that_runs_here_classifies(world: World, door: str):
    chain(world, bought(NOWHERE), world.analyst)
    status, found, _ = classify(world, door)
    assert (status, found["inhouse"]["model"]) == (200, world.analyst.pinned)


@pytest.mark.weights
def test_a_real_model(world: World, smollm_folder: Path, url: str):
    model = load_language(smollm_folder, name="smol", threads=2)
    world.engines.models[world.analyst.version or ""] = model  # type: ignore[assignment]
    labels = ["lost or stolen card", "exchange rate", "top up failed"]
    texts = ["I lost my card, please block it", "What rate do you change euros into dollars at?"]
    status, found, _ = classify(world, url, timeout=150, input=texts, labels=labels)
    assert status == 200
    assert [each["labels"][0]["label"] for each in found["data"]] == labels[:2]
