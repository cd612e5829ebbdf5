"""What an answer takes is counted, told or not, and whether it ends, fails or is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from serve_world import World

from inhouse.core.errors import ProviderError
from inhouse.core.label import Label
from inhouse.core.nouns import Trace
from inhouse.core.protocols import Piece, Usage
from inhouse.serve.answer import Ending, plainly
from inhouse.serve.choices import Choice, _usage
from inhouse.serve.limits import counted
from inhouse.serve.price import Price
from inhouse.serve.recording import Asked, Parts, recorded

READ = 7


class Kept(list[Trace]):
    async def record(self, trace: Trace) -> None:
        self.append(trace)


async def silent(fails: int | None = None) -> AsyncGenerator[Piece, None]:
    """Say two words without telling what they took; fail after so many."""
    for number, word in enumerate(("ten ", "weeks")):
        if number == fails:
            raise ProviderError("It is gone.", "Ask again.")
        yield Piece(word)


def said(fails: int | None = None) -> Parts:
    return plainly(silent(fails), Label.OPEN, lambda: READ)


def test_what_nobody_told_is_estimated() -> None:
    async def ending() -> Ending:
        return [part async for part in said()][-1]

    assert asyncio.run(ending()).usage == Usage(READ, 2, estimated=True)


@pytest.mark.parametrize(("parts", "words"), [(2, 1), (3, 2)])
def test_who_leaves_early_has_taken_the_prompt_and_what_was_said(
    world: World, parts: int, words: int
) -> None:
    told: list[int] = []
    sink = Kept()

    async def leave() -> None:
        async with world.house.endpoint("desk", world.catalog.access.actor("ana")) as served:
            trace = Asked("1", "/", {}).trace(served, 0, ())
        kept = recorded(said(), sink, trace, streamed=False, price=Price(1e6, 1e6, "EUR"))
        stream = counted(kept, told.append)
        for _ in range(parts):
            await anext(stream)
        await stream.aclose()
        (ended,) = sink
        assert told == [READ + words]
        assert (ended.state, ended.prompt_tokens, ended.completion_tokens) == (
            "aborted",
            READ,
            words,
        )
        assert (ended.cost, ended.price) == (READ + words, "EUR")

    asyncio.run(leave())


def test_who_leaves_before_a_word_has_taken_the_prompt() -> None:
    told: list[int] = []

    async def hanging() -> AsyncGenerator[Piece, None]:
        await asyncio.Event().wait()
        yield Piece("")

    async def hear() -> None:
        async for _ in counted(plainly(hanging(), Label.OPEN, lambda: READ), told.append):
            pass

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hear(), 0.05)

    asyncio.run(leave())
    assert told == [READ]


@pytest.mark.parametrize(("fails", "taken"), [(0, []), (1, [READ + 1])])
def test_what_fails_at_once_took_nothing(fails: int, taken: list[int]) -> None:
    told: list[int] = []

    async def fail() -> None:
        with pytest.raises(ProviderError):
            async for _ in counted(said(fails), told.append):
                pass

    asyncio.run(fail())
    assert told == taken


def test_an_answer_without_an_ending_is_none() -> None:
    with pytest.raises(RuntimeError, match="no ending"):
        _usage([Choice(0, "1")], 1)
