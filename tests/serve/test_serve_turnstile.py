"""Who leaves the line of a turnstile leaves it whole."""

from __future__ import annotations

import asyncio

import pytest

from inhouse.serve.turnstile import Turnstile


async def test_a_turn_given_up_in_the_moment_it_comes() -> None:
    turnstile = Turnstile(1, 1)
    await turnstile.enter("desk")
    waiting = asyncio.create_task(turnstile.enter("desk"))
    await asyncio.sleep(0)
    waiting.cancel()
    turnstile.leave("desk")
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not turnstile.rooms()
