"""Feedback: one each, from whoever may read the trace, and gone when that is."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from inhouse.catalog import Catalog
from inhouse.core.access import Actor
from inhouse.core.errors import BadInput, NotFound, StoreError
from inhouse.core.label import Label
from inhouse.core.nouns import Feedback
from inhouse.observe import days
from inhouse.observe.erase import erase
from inhouse.observe.feedback import FILE, FeedbackFile
from inhouse.observe.roll import roll
from inhouse.observe.traces import Traces
from inhouse.observe.wanted import Wanted
from observe.observe_world import ANA, BO, DAY, DPO, EVE, OVER, World, holds, record, world

SECRET = "Zebedee-41 lives in the blue house"


def say(house: World, actor: Actor, trace: str, score: int = 1, correction: str = "") -> None:
    feedback = Feedback(trace, actor.name, score, correction)
    asyncio.run(Traces(house.catalog, house.folder).take(feedback, actor))


def said(house: World, reader: Actor, wanted: Wanted | None = None) -> dict[str, list[tuple]]:
    traces = Traces(house.catalog, house.folder)
    page = traces.find(reader, wanted or Wanted())
    found = traces.feedback_on(reader, page.traces)
    return {
        trace.id: [(f.actor, f.score, f.correction) for f in found.get(trace.id, ())]
        for trace in page.traces
    }


def rolled(house: World, **more: float) -> None:
    roll(house.catalog, house.folder, by="ops", now=time.time(), **more)


@pytest.fixture(params=["recorded", "rolled"])
def put(request, house: World):
    def put(*traces):
        record(house.folder, traces)
        if request.param == "rolled":
            rolled(house)

    return put


def test_a_key_is_heard_on_what_it_is_for(house: World, put):
    put(house.trace("a"))
    endpoint = house.trace("a").endpoint
    for only in ("endpoints/other", "models", "knowledge"):
        with pytest.raises(NotFound):
            say(house, replace(ANA, only=(only,)), "a", 1)
    say(house, replace(ANA, only=(endpoint.path,)), "a", -1)
    assert said(house, ANA) == {"a": [("ana", -1, "")]}


def test_the_last_word_counts(house: World, put):
    put(house.trace("a"), house.trace("b"))
    say(house, ANA, "a", 1)
    say(house, ANA, "a", -1, "It is eight.")
    assert said(house, ANA) == {"b": [], "a": [("ana", -1, "It is eight.")]}
    say(house, EVE, "a", 1)
    assert said(house, EVE)["a"] == [("ana", -1, "It is eight."), ("eve", 1, "")]
    assert said(house, ANA)["a"] == [("ana", -1, "It is eight.")]


def test_it_is_filtered_by(house: World, put):
    put(*(house.trace(id, at=OVER + n) for n, id in enumerate("abcd")))
    say(house, ANA, "a", 1)
    say(house, ANA, "b", -1)
    say(house, EVE, "a", -1)
    say(house, EVE, "c", 1)

    def found(reader: Actor, thumb: str) -> str:
        return "".join(sorted(said(house, reader, Wanted(feedback=thumb))))

    assert [found(ANA, thumb) for thumb in ("good", "bad", "any")] == ["a", "b", "ab"]
    assert [found(EVE, thumb) for thumb in ("good", "bad", "any")] == ["ac", "ab", "abc"]


def test_who_may_not_read_may_not_say(house: World, put):
    put(
        house.trace("a"),
        house.trace("closed", label=Label.CLOSED),
        house.trace("dpo", actor="dpo"),
        house.trace("a-1"),
    )
    for actor, trace in ((BO, "a"), (ANA, "closed"), (EVE, "closed"), (DPO, "a"), (ANA, "a-")):
        with pytest.raises(NotFound, match="no answer"):
            say(house, actor, trace)
    say(house, ANA, "a-1", -1)
    say(house, EVE, "a", -1)
    house.catalog.access.set_label(house.memos, Label.parse("sell"), by="owner")
    with pytest.raises(NotFound):
        say(house, ANA, "a")
    notes = [e.note for e in house.catalog.audit(last=100) if e.actor == "eve"]
    assert notes == ["1 of ana"]


def test_nobody_waits_while_all_days_are_looked_through(
    house: World, monkeypatch: pytest.MonkeyPatch
):
    record(house.folder, [house.trace(f"t{n}", at=OVER - n * DAY) for n in range(5)])
    rolled(house)
    held, opened = [], days.opened
    writing = FeedbackFile.writing

    @contextmanager
    def watched(file: FeedbackFile):
        with writing(file) as connection:
            held.append([])
            yield connection

    def watch(catalog: Catalog, folder: Path, day: str):
        held[-1].append(day)
        return opened(catalog, folder, day)

    monkeypatch.setattr(FeedbackFile, "writing", watched)
    monkeypatch.setattr(days, "opened", watch)
    held.append([])
    say(house, ANA, "t3", 1)
    before, within = held
    assert (len(before), len(within)) == (4, 1)
    assert said(house, ANA)["t3"] == [("ana", 1, "")]


def test_half_a_character_is_no_correction(house: World):
    record(house.folder, [house.trace("a")])
    with pytest.raises(BadInput, match="no text"):
        say(house, ANA, "a", 1, "\udcff")
    assert said(house, ANA) == {"a": []}


def test_it_is_erased_with_its_trace(house: World, root: Path, put):
    put(house.trace("a"), house.trace("b", actor="bo"), house.trace("c"))
    say(house, ANA, "a", -1, SECRET * 300)
    say(house, ANA, "a", -1, SECRET * 200)
    say(house, EVE, "a", -1, SECRET)
    say(house, EVE, "b", 1, "stays")
    assert holds(root, SECRET) == [f"traces/{FILE}"]
    erase(house.catalog, house.folder, by=BO, ids=["a"])
    assert len(said(house, EVE)["a"]) == 2
    erase(house.catalog, house.folder, by=ANA, actor="ana")
    assert holds(root, SECRET) == []
    assert said(house, EVE) == {"b": [("eve", 1, "stays")]}
    erase(house.catalog, house.folder, by=DPO, actor="eve")  # what she said of bo's as well
    assert holds(root, "stays") == []


def test_some_are_erased_by_id(house: World, root: Path, put):
    put(house.trace("a"), house.trace("b"))
    say(house, ANA, "a", -1, SECRET)
    say(house, ANA, "b", -1)
    erase(house.catalog, house.folder, by=ANA, ids=["a"])
    assert (holds(root, SECRET), said(house, ANA)) == ([], {"b": [("ana", -1, "")]})


def test_it_goes_with_its_day(house: World, root: Path):
    record(house.folder, [house.trace("old", at=OVER - 9 * DAY), house.trace("new")])
    say(house, ANA, "old", -1, SECRET)
    say(house, ANA, "new", -1, "stays")
    rolled(house, keep_days=90)
    assert holds(root, SECRET)
    rolled(house, keep_days=7)
    assert (holds(root, SECRET), said(house, ANA)) == ([], {"new": [("ana", -1, "stays")]})


def many(root: Path, name: str) -> None:
    with world(root) as house:
        for number in range(20):
            say(house, Actor(name, EVE.groups), f"t{number}", -1, name)


def test_several_servers_keep_it_at_once(house: World, root: Path):
    record(house.folder, [house.trace(f"t{n}") for n in range(20)])
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=many, args=(root, f"eve-{n}")) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    found = said(house, EVE)
    assert {len(each) for each in found.values()} == {2}


def test_a_file_that_cannot_be_written_is_a_sentence(house: World):
    record(house.folder, [house.trace("a")])
    (house.folder / FILE).write_bytes(b"no database " * 999)
    with pytest.raises(StoreError, match=FILE):
        say(house, ANA, "a")
