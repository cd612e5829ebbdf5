"""``POST /v1/search``: sections, for whom they are."""

from __future__ import annotations

import json

import pytest
from serve_world import World
from test_serve_door import send

from inhouse.core.access import Actor
from inhouse.core.label import Label


def search(world: World, url: str, actor: str, **body: object) -> tuple[int, dict]:
    _, key = world.key(actor)
    raw = json.dumps({"knowledge": "desk", **body}).encode()
    status, shown, _ = send(url, "POST", "/v1/search", raw, key)
    return status, shown


def test_sections_with_all_that_is_needed(world: World, url: str) -> None:
    status, shown = search(world, url, "cy", query="parents", top=1)
    assert status == 200
    assert (shown["query"], shown["support"]) == ("parents", 1.0)
    assert shown["data"] == [
        {
            "object": "section",
            "id": "s0",
            "source": f"data/handbook@{world.handbook.version}",
            "document": "leave.md",
            "headings": ["Leave", "Parental"],
            "anchor": "parental",
            "link": "leave.md#parental",
            "modified": "2026-03-05",
            "passage": "Parents get ten weeks",
            "text": "Parents get ten weeks. With pay.",
            "score": 1.0,
        }
    ]
    assert shown["inhouse"] == {
        "knowledge": f"knowledge/desk@{world.knowledge.version}",
        "label": "open",
    }
    assert search(world, url, "ana", query="parents")[1]["inhouse"]["label"] == "buy-side"


def test_nothing_is_told_of_what_is_left_out(world: World, url: str) -> None:
    double = world.engines.retriever_double
    double.walls, double.add = {}, "bermuda"
    messages = [{"role": "user", "content": "Bermuda"}, {"role": "user", "content": "parents"}]
    status, shown = search(world, url, "cy", messages=messages, top=2)
    of_ana = search(world, url, "ana", messages=messages, top=2)[1]
    assert (status, shown["query"], shown["support"]) == (200, "parents", 0.0)
    assert [each["id"] for each in shown["data"]] == ["s0"]
    assert (of_ana["query"], of_ana["support"]) == ("parents bermuda", 1.0)


def test_a_conversation_may_be_sent(world: World, url: str) -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": " parents "}]
    status, shown = search(world, url, "cy", messages=messages)
    assert (status, shown["query"]) == (200, "parents")
    asked, before = world.engines.retriever_double.asked[0]
    assert (asked, [m.content for m in before]) == ("parents", ["a"])


@pytest.mark.parametrize("name", ["help", "endpoints/help", "knowledge/desk"])
def test_an_endpoint_names_its_knowledge(world: World, url: str, name: str) -> None:
    status, shown = search(world, url, "cy", knowledge=name, query="parents")
    assert (status, len(shown["data"])) == (200, 2)
    assert world.engines.opened == [str(world.knowledge)], "the model is not needed"


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({}, 400, "needs a query or messages"),
        ({"query": "a", "messages": [{"role": "user", "content": "a"}]}, 400, "one of the two"),
        ({"query": " "}, 400, "question is empty"),
        ({"query": "a", "top": 51}, 400, "'top' cannot be 51"),
        ({"query": "a", "topp": 5}, 400, "Did you mean 'top'?"),
        ({"query": "a", "knowledge": "dezk"}, 404, "Did you mean 'desk'?"),
        ({"query": "a", "knowledge": "endpoints/desk"}, 403, "carries buy-side"),
        ({"query": "a" * 30_000}, 413, "MiB accepted"),
    ],
)
def test_refusals_have_openais_shape(
    world: World, url: str, body: dict[str, object], status: int, told: str
) -> None:
    found, shown = search(world, url, "cy", **body)
    assert (found, set(shown)) == (status, {"error"})
    assert told in shown["error"]["message"]


def test_an_endpoint_without_knowledge(world: World, url: str) -> None:
    status, shown = search(world, url, "ana", knowledge="endpoints/desk", query="a")
    assert (status, shown["error"]["message"][:31]) == (400, "endpoints/desk has no knowledge")


def test_whoever_may_read_no_source_may_not_search(world: World, url: str) -> None:
    world.catalog.access.set_label(world.handbook, Label.parse("buy-side"), by="admin")
    status, shown = search(world, url, "cy", query="parents")
    assert status == 403
    assert "data/handbook carries buy-side" in shown["error"]["message"]
    entry = world.catalog.audit(last=1)[0]
    assert (entry.actor, entry.action, entry.allowed) == ("cy", "search", False)
    assert search(world, url, "cy", knowledge="dezk", query="a")[1]["error"]["message"].endswith(
        "Known: none yet."
    ), "what may not be searched is not named"


def test_a_search_is_on_record(world: World, url: str) -> None:
    search(world, url, "cy", query="parents")
    entry = world.catalog.audit(last=1)[0]
    assert (entry.actor, entry.action, entry.allowed) == ("cy", "search", True)
    assert entry.thing == str(world.knowledge)


async def test_a_knowledge_base_is_closed_with_the_house(world: World) -> None:
    async with world.house.knowledge("desk", Actor("cy")):
        assert world.engines.retriever_double.closed == 0
    await world.house.close()
    assert world.engines.retriever_double.closed == 1
