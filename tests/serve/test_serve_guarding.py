"""An endpoint's guard: no personal data to its model, none out of it, and none on record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest
from serve_world import Local, World, section

from inhouse.core.access import Actor
from inhouse.core.errors import BadField
from inhouse.core.nouns import Message, ToolCall
from inhouse.core.protocols import Piece, Sampling
from inhouse.serve.answer import Ending, answer
from inhouse.serve.completions import Continues
from inhouse.serve.guarding import Guarded, on_record

CY = Actor("cy")
GREEDY = Sampling()
MASK, REFUSE, OUT = {"in": "mask"}, {"in": "refuse"}, {"out": "mask"}
ASKED = "I am ana@example.com, card 4111 1111 1111 1111"


def ask(
    world: World, messages: Sequence[Message] | str, sampling: Sampling = GREEDY
) -> list[object]:
    """Ask the endpoint 'help' and return the parts of its answer."""
    turns = [Message("user", messages)] if isinstance(messages, str) else messages

    async def once() -> list[object]:
        try:
            async with world.house.endpoint("help", CY) as served:
                stream = answer(served, turns, sampling, access=world.catalog.access)
                return [part async for part in stream]
        finally:
            await world.house.close()

    return asyncio.run(once())


def said(parts: Sequence[object]) -> str:
    return "".join(p if isinstance(p, str) else p.text for p in parts if isinstance(p, str | Piece))


def plain(world: World, guard: dict[str, str]) -> None:
    world.endpoint("endpoints/help", world.base, guard=guard)


def test_what_is_not_guarded_goes_through_as_it_is(world):
    plain(world, {})
    assert said(ask(world, ASKED)).strip() == f"base: {ASKED}"


def test_a_model_is_shown_no_personal_data(world):
    plain(world, MASK)
    call = ToolCall("1", "send", '{"to": "ana@example.com"}')
    turns = [Message("assistant", "", (call,)), Message("user", ASKED)]
    assert said(ask(world, turns)).strip() == "base: I am [EMAIL], card [CARD]"
    ((messages, _),) = world.double(world.base).seen
    assert messages[0].calls[0].arguments == '{"to": "[EMAIL]"}'


def test_a_long_request_is_masked_too(world):
    plain(world, MASK)
    assert "ana@" not in said(ask(world, "word " * 2_000 + ASKED))


def test_an_endpoint_may_take_no_personal_data(world):
    plain(world, REFUSE)
    with pytest.raises(BadField, match="holds card, email"):
        ask(world, ASKED)
    assert world.double(world.base).seen == []


def test_it_takes_names_and_everything_else(world):
    plain(world, REFUSE)
    assert said(ask(world, "I am Ana, how are you?")).strip() == "base: I am Ana, how are you?"


def test_an_answer_is_masked_as_it_comes(world):
    plain(world, OUT)
    parts = ask(world, ASKED)
    assert said(parts).strip() == "base: I am [EMAIL], card [CARD]"
    texts = [p if isinstance(p, str) else p.text for p in parts if isinstance(p, str | Piece)]
    assert texts[0] == "base: "
    assert isinstance(parts[-1], Ending)


def test_tokens_of_a_masked_answer_are_not_shown(world):
    plain(world, OUT)
    with pytest.raises(BadField, match="tokens"):
        ask(world, "hello", Sampling(logprobs=1))


def test_quotes_of_sections_are_masked(world):
    world.endpoint("endpoints/help", world.base, world.knowledge, guard=OUT)
    text = "Parents write to ana@example.com first. With pay."
    world.engines.retriever_double.sections = [section(world.handbook, 0, "Parental", text)]
    parts = ask(world, "parents write")
    assert "ana@" not in said(parts)
    assert "ana@" not in repr(parts[-1])
    assert "[EMAIL]" in repr(parts[-1])


def test_a_guarded_model_does_nothing_that_goes_past_its_guard():
    assert isinstance(Local(), Continues)
    assert not isinstance(Guarded(Local(), masks=False), Continues)


def test_an_answer_that_nobody_waits_for_is_stopped(world):
    plain(world, OUT)

    async def once() -> None:
        async with world.house.endpoint("help", CY) as served:
            turns = [Message("user", "hang")]
            stream = answer(served, turns, Sampling(), access=world.catalog.access)
            assert isinstance(stream, AsyncGenerator)
            async for part in stream:
                if isinstance(part, str | Piece):
                    break
            await stream.aclose()
        await world.house.close()

    asyncio.run(once())
    assert world.double(world.base).aborted.is_set()


def test_a_record_holds_what_the_model_saw():
    body = {"model": "help", "messages": [{"role": "user", "content": ASKED}], "seed": 1}
    kept = on_record(body, MASK)
    assert kept["messages"] == [{"role": "user", "content": "I am [EMAIL], card [CARD]"}]
    assert (kept["model"], kept["seed"]) == ("help", 1)
    assert on_record(body, OUT) is body
