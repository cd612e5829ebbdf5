"""Engines are loaded once, outlive those who go away, and are closed when nobody needs them."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest
from serve_world import Model

from inhouse.core.errors import BadInput, EngineStopped, NotSetUp
from inhouse.serve.engines import Engines


async def test_a_load_outlives_the_one_who_asked_first() -> None:
    engines: Engines[Model] = Engines(Model.close)
    loads: list[str] = []
    go = threading.Event()

    def load() -> Model:
        loads.append("v1")
        go.wait(20)
        return Model()

    async def hold() -> Model:
        async with engines.lease("desk", "v1", load) as engine:
            return engine

    first, second = asyncio.create_task(hold()), asyncio.create_task(hold())
    await asyncio.sleep(0)
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    go.set()
    engine = await second
    assert await hold() is engine
    assert loads == ["v1"]
    assert not engine.closed.is_set()
    await engines.close()
    assert engine.closed.is_set()


async def test_owners_share_an_engine() -> None:
    engines: Engines[Model] = Engines(Model.close)
    old, new = Model("old"), Model("new")
    async with engines.lease("a", "v1", lambda: old), engines.lease("b", "v1", Model) as shared:
        assert shared is old
    async with engines.lease("c", "v2", lambda: new):
        engines.forget("a")
    await asyncio.sleep(0)
    assert not old.closed.is_set(), "b still needs it"
    async with engines.lease("b", "v1", Model):
        engines.forget("b")
        await asyncio.sleep(0)
        assert not old.closed.is_set(), "somebody holds it"
    await engines.close()
    assert old.closed.is_set()
    assert new.closed.is_set()


async def test_a_failed_load_is_told_and_tried_again() -> None:
    engines: Engines[Model] = Engines(Model.close)

    def fail() -> Model:
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        async with engines.lease("a", "v1", fail):
            pass
    async with engines.lease("a", "v1", Model) as engine:
        assert engine.name == "echo"
    await engines.close()


async def test_what_cannot_be_loaded_is_not_the_callers_fault() -> None:
    engines: Engines[Model] = Engines(Model.close)

    def fail() -> Model:
        raise BadInput("/srv/store/x holds no built model.", "Build it.")

    with pytest.raises(NotSetUp) as raised:
        async with engines.lease("a", "v1", fail):
            pass
    assert "/srv" not in str(raised.value)
    await engines.close()


async def test_the_end_does_not_wait_for_what_is_being_loaded() -> None:
    engines: Engines[Model] = Engines(Model.close)
    begun, go, late = threading.Event(), threading.Event(), Model()

    def load() -> Model:
        begun.set()
        go.wait(20)
        return late

    async def hold() -> None:
        async with engines.lease("desk", "v1", load):
            pass

    waiting = asyncio.create_task(hold())
    assert await asyncio.to_thread(begun.wait, 20)
    waiting.cancel()
    await asyncio.wait([waiting])
    async with asyncio.timeout(10):
        await engines.close()
    go.set()
    async with asyncio.timeout(10):
        while not late.closed.is_set():
            await asyncio.sleep(0.01)


async def test_slow_loads_keep_no_other_from_loading() -> None:
    engines: Engines[Model] = Engines(Model.close)
    go = threading.Event()

    def slow() -> Model:
        go.wait(20)
        return Model()

    async def hold(key: str) -> None:
        async with engines.lease("desk", key, slow):
            pass

    slow_ones = [asyncio.create_task(hold(f"v{i}")) for i in range(40)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10), engines.lease("desk", "quick", Model):
        await asyncio.to_thread(int)
    go.set()
    await asyncio.gather(*slow_ones)
    await engines.close()


async def test_an_engine_that_stopped_is_loaded_anew() -> None:
    engines: Engines[Model] = Engines(Model.close)
    loaded = [Model("first"), Model("second")]
    waiting = iter(loaded)
    with pytest.raises(EngineStopped):
        async with engines.lease("desk", "v1", lambda: next(waiting)):
            raise EngineStopped
    async with engines.lease("desk", "v1", lambda: next(waiting)) as engine:
        assert engine.name == "second"
    assert loaded[0].closed.is_set()
    await engines.close()


async def closed(model: Model) -> bool:
    """Say whether a model is closed now that all that was begun has been done."""
    for _ in range(5):
        await asyncio.sleep(0)
    return model.closed.is_set()


async def test_engines_keep_within_a_budget() -> None:
    engines: Engines[Model] = Engines(Model.close, budget=10)
    one, two, three, api = Model("one"), Model("two"), Model("three"), Model("api")
    async with engines.lease("a", "v1", lambda: one, size=5):
        pass
    async with engines.lease("b", "v2", lambda: two, size=5):
        pass
    async with engines.lease("c", "api", lambda: api):
        pass
    async with engines.lease("a", "v1", Model, size=5) as again:
        assert again is one, "both fit"
    async with engines.lease("d", "v3", lambda: three, size=4):
        assert await closed(two), "it was used least recently"
        assert not await closed(one)
        assert engines.size == 9
    async with engines.lease("b", "v2", lambda: two, size=5):
        assert await closed(one)
    assert not await closed(api), "it takes nothing"
    await engines.close()


async def test_an_engine_in_use_is_never_closed_for_room() -> None:
    engines: Engines[Model] = Engines(Model.close, budget=6)
    one, two = Model("one"), Model("two")
    async with engines.lease("a", "v1", lambda: one, size=5):
        async with engines.lease("b", "v2", lambda: two, size=5):
            assert engines.size == 10
            assert not await closed(one)
        assert not await closed(two), "it was used last"
        async with engines.lease("a", "v1", Model, size=5):
            assert await closed(two)
    assert not await closed(one)
    await engines.close()


async def test_one_that_is_larger_than_the_budget_stays_open() -> None:
    engines: Engines[Model] = Engines(Model.close, budget=1)
    loads = []

    def load() -> Model:
        loads.append("v1")
        return Model()

    for _ in range(3):
        async with engines.lease("a", "v1", load, size=5):
            pass
    assert loads == ["v1"]
    await engines.close()


async def test_a_load_waits_for_the_memory_of_what_is_closed() -> None:
    go, order = asyncio.Event(), []

    async def close(model: Model) -> None:
        await go.wait()
        order.append(f"{model.name} is closed")

    def load() -> Model:
        order.append("two is loaded")
        return Model("two")

    engines: Engines[Model] = Engines(close, budget=5)
    async with engines.lease("a", "v1", lambda: Model("one"), size=5):
        pass

    async def hold() -> None:
        async with engines.lease("b", "v2", load, size=5):
            pass

    holding = asyncio.create_task(hold())
    await asyncio.sleep(0.05)
    assert order == []
    go.set()
    await holding
    assert order == ["one is closed", "two is loaded"]
    await engines.close()
