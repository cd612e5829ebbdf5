"""What was erased is in no file of the store any more, and what was not is all there."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from inhouse.core.errors import BadInput, Refused
from inhouse.observe.erase import erase
from inhouse.observe.recorder import Recorder
from inhouse.observe.roll import roll
from inhouse.observe.traces import Traces
from inhouse.observe.wanted import Wanted
from observe.observe_world import ANA, BO, DPO, EVE, OVER, World, holds, record

SECRET = "Zebedee-41 lives in the blue house"


def secret(house: World, id: str, **more):
    asked = {"messages": [{"role": "user", "content": f"{SECRET} " * 400}]}
    return house.trace(id, actor="bo", request=asked, **more)


def ids(house: World) -> set[str]:
    page = Traces(house.catalog, house.folder).find(EVE, Wanted(), last=10_000)
    return {trace.id for trace in page.traces}


async def test_somebody_is_erased_everywhere(house: World, root: Path):
    dead = [secret(house, f"dead-{n}", at=time.time()) for n in range(5)]
    old = [secret(house, "old"), house.trace("kept")]
    await asyncio.to_thread(record, house.folder, old)
    (before,) = roll(house.catalog, house.folder, by="ops", now=time.time()).made
    await asyncio.to_thread(record, house.folder, dead)
    late = [secret(house, "late"), house.trace("late too")]  # of a day that is rolled already
    await asyncio.to_thread(record, house.folder, late)
    recorder = Recorder(house.folder)
    for n in range(200):
        more = {"at": time.time(), "state": "open" if n % 2 else "done"}
        await recorder.record(secret(house, f"new-{n}", **more))
        await recorder.record(house.trace(f"ana-{n}", at=time.time()))
        await recorder.record(secret(house, f"new-{n}", **more | {"answer": SECRET}))
    assert holds(root, SECRET)
    erased = await asyncio.to_thread(erase, house.catalog, house.folder, by=DPO, actor="bo")
    assert erased == 207
    assert holds(root, SECRET) == []
    assert not house.catalog.blobs.path(before.files["traces.parquet"].digest).exists()
    await recorder.record(house.trace("after", at=time.time()))
    recorder.close()
    assert ids(house) == {"kept", "late too", "after", *(f"ana-{n}" for n in range(200))}
    roll(house.catalog, house.folder, by="ops", now=time.time())
    assert holds(root, SECRET) == []
    notes = [entry.note for entry in house.catalog.audit(last=1000) if entry.action == "erase"]
    assert notes == ["begun: those of bo", "done: those of bo, 207 traces"]


def test_some_are_erased_by_id(house: World):
    record(house.folder, [house.trace("a"), house.trace("ab"), house.trace("abc")])
    roll(house.catalog, house.folder, by="ops", now=time.time())
    record(house.folder, [house.trace("b", at=time.time()), house.trace("bc", at=time.time())])
    assert erase(house.catalog, house.folder, by=DPO, ids=["ab", "b", "none"]) == 2
    assert ids(house) == {"a", "abc", "bc"}
    assert erase(house.catalog, house.folder, by=DPO, ids=["ab", "b", "none"]) == 0


def test_a_whole_day_may_go(house: World):
    record(house.folder, [house.trace("a"), house.trace("b")])
    roll(house.catalog, house.folder, by="ops", now=time.time())
    assert erase(house.catalog, house.folder, by=DPO, actor="ana") == 2
    assert ids(house) == set()
    record(house.folder, [house.trace("late", at=OVER)])
    roll(house.catalog, house.folder, by="ops", now=time.time())
    assert ids(house) == {"late"}


async def test_erasing_under_load_waits_and_loses_nothing(house: World, root: Path):
    recorder = Recorder(house.folder, "process")
    for n in range(300):
        await recorder.record(secret(house, f"bo-{n}", at=time.time()))
    going, count = True, 0

    async def produce(name: int) -> None:
        nonlocal count
        while going:
            await recorder.record(house.trace(f"{name}-{count}", at=time.time()))
            count += 1

    producers = [asyncio.create_task(produce(name)) for name in range(8)]
    erased = await asyncio.to_thread(erase, house.catalog, house.folder, by=DPO, actor="bo")
    assert erased == 300
    assert holds(root, SECRET) == []
    going = False
    await asyncio.gather(*producers)
    recorder.close()
    page = Traces(house.catalog, house.folder).find(ANA, Wanted(), last=10_000)
    assert len(page.traces) == min(count, 10_000)


def erasures(house: World) -> list[tuple[str, bool, str]]:
    entries = house.catalog.audit(last=1000)
    return [(e.actor, e.allowed, e.note) for e in entries if e.action == "erase"]


@pytest.mark.parametrize("is_rolled", [False, True])
def test_who_is_no_auditor_erases_only_their_own(house: World, is_rolled: bool):
    record(house.folder, [house.trace("a"), house.trace("b", actor="bo"), house.trace("c")])
    if is_rolled:
        roll(house.catalog, house.folder, by="ops", now=time.time())
    with pytest.raises(Refused, match="bo may not erase the traces of ana"):
        erase(house.catalog, house.folder, by=BO, actor="ana")
    assert erasures(house) == [("bo", False, "wanted those of ana")]
    assert erase(house.catalog, house.folder, by=BO, ids=["a", "b"]) == 1
    assert ids(house) == {"a", "c"}
    assert erase(house.catalog, house.folder, by=ANA, actor="ana") == 2
    assert ids(house) == set()


def test_nothing_is_erased_unasked(house: World):
    record(house.folder, [house.trace("a"), house.trace("b", actor="bo")])
    for everything in ({}, {"actor": "ana", "ids": ["b"]}):
        with pytest.raises(BadInput, match="What is to be erased"):
            erase(house.catalog, house.folder, by=DPO, **everything)
    for no_text in ({"actor": "\udcff"}, {"ids": ["a", "\udcff"]}):
        with pytest.raises(BadInput, match="no text"):
            erase(house.catalog, house.folder, by=DPO, **no_text)
    assert erase(house.catalog, house.folder, by=DPO, ids=[""]) == 0
    assert ids(house) == {"a", "b"}
