"""Days that are over become artifacts: once, whole, also when it is cut off, and for as long."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from inhouse.catalog import Catalog, records
from inhouse.catalog.blobs import Blobs
from inhouse.core.artifact import Ref
from inhouse.core.label import Label
from inhouse.observe import days
from inhouse.observe.dayfile import DayFile, day_files
from inhouse.observe.erase import erase as erase_traces
from inhouse.observe.recorder import Recorder
from inhouse.observe.roll import Rolled, roll
from inhouse.observe.rows import day_of
from inhouse.observe.traces import Traces
from inhouse.observe.wanted import Wanted
from observe.observe_world import DAY, DPO, EVE, OVER, World, holds, make, record, world

REF = Ref("traces", day_of(OVER))
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["inhouse.observe.erase", "pyarrow.parquet"])


def rolling(house: World, **more) -> Rolled:
    return roll(house.catalog, house.folder, by="ops", now=time.time(), **more)


def ids(house: World) -> list[str]:
    return [row.id for row in days.rows(house.catalog, house.folder, Wanted())]


def test_a_day_becomes_an_artifact(house: World):
    record(house.folder, [house.trace("a"), house.trace("c", at=OVER + 2)])
    record(house.folder, [house.trace("b", at=OVER + 1, state="open"), house.trace("d", at=1e9)])
    traces = Traces(house.catalog, house.folder)
    before = traces.find(EVE, Wanted()).traces
    made = rolling(house).made
    assert [artifact.ref.path for artifact in made] == ["traces/2001-09-09", REF.path]
    assert made[1].summary["traces"] == 3
    assert day_files(house.folder) == []
    assert traces.find(EVE, Wanted()).traces == before
    assert [t.state for t in before] == ["done", "aborted", "done", "done"]
    assert rolling(house) == Rolled([], [], [])


def test_today_and_what_a_living_worker_holds_stay(house: World):
    record(house.folder, [house.trace("today", at=time.time())])
    file = DayFile.new(house.folder, REF.name)
    lock = file.claim()
    file.create(synchronous="FULL").close()
    assert rolling(house) == Rolled([], [], [REF.name])
    lock.release()
    assert rolling(house) == Rolled([], [], [])  # nothing was recorded in it
    assert [file.day for file in day_files(house.folder)] == [day_of(time.time())]
    assert ids(house) == ["today"]


def test_what_comes_late_makes_a_new_version(house: World):
    record(house.folder, [house.trace("a", state="open"), house.trace("b")])
    first = rolling(house).made[0]
    record(house.folder, [house.trace("a"), house.trace("c", at=OVER - 1)])
    second = rolling(house).made[0]
    assert second.ref != first.ref
    rows = days.rows(house.catalog, house.folder, Wanted())
    assert [(row.id, row.state) for row in rows] == [("b", "done"), ("a", "done"), ("c", "done")]
    assert house.catalog.get(first.ref).gone == "deleted"
    assert not house.catalog.blobs.path(first.files["traces.parquet"].digest).exists()


def test_its_label_is_that_of_all_it_holds_also_later(house: World):
    memos = make(house.catalog, "data/memos", "buy")
    record(house.folder, [house.trace("a", label=Label.parse("it")), house.trace("b")])
    (made,) = rolling(house).made
    assert made.label == Label.parse("it & buy")
    house.catalog.access.set_label(memos, Label.parse("sell"), by="owner")
    house.catalog.access.set_label(house.model, Label.parse("hr"), by="owner")
    assert house.catalog.get(made.ref).label == Label.parse("it & buy & sell & hr")
    record(house.folder, [house.trace("c", sources=(Ref("data", "nowhere", "0" * 64),))])
    assert rolling(house).made[0].label == Label.CLOSED


def test_a_model_of_an_api_does_not_close_the_day(house: World):
    record(house.folder, [house.trace("a", model="models/gemini-1.5-pro")])
    assert rolling(house).made[0].label == Label.parse("buy")


def test_it_needs_nothing_of_what_answered(house: World):
    record(house.folder, [house.trace("a")])
    make_again = make(house.catalog, "models/other", "open")
    house.catalog.retire(house.desk, by="owner")
    house.catalog.retire(house.model, by="owner")
    house.catalog.collect(by="owner")
    assert house.catalog.get(house.model).gone == "collected"
    (made,) = rolling(house).made
    house.catalog.collect(by="owner")
    assert house.catalog.load(made.ref).artifact.gone is None
    assert {edge.flow for edge in made.parents} == {"inherit"}
    assert house.catalog.get(make_again).gone is None


def test_days_kept_long_enough_are_deleted_with_their_bytes(house: World, root: Path):
    record(house.folder, [house.trace("a"), house.trace("b", at=OVER - 30 * DAY)])
    done = rolling(house, keep_days=7)
    assert [artifact.ref.name for artifact in done.deleted] == [day_of(OVER - 30 * DAY)]
    assert ids(house) == ["a"]
    (old,) = done.deleted
    assert house.catalog.get(old.ref).gone == "deleted"
    assert not house.catalog.blobs.path(old.files["traces.parquet"].digest).exists()
    assert rolling(house, keep_days=7) == Rolled([], [], [])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(owner: object, name: str) -> None:
    real: Callable[..., object] = getattr(owner, name)

    def then_die(*args, **kwargs):
        real(*args, **kwargs)
        die()

    setattr(owner, name, then_die)


POINTS = {
    "a label was set": lambda: setattr(Catalog, "make", lambda *a, **k: die()),
    "written": lambda: after(Blobs, "measure"),
    "kept": lambda: after(Blobs, "keep"),
    "in the transaction": lambda: after(records, "record"),
    "committed": lambda: setattr(Blobs, "discard", lambda *a: die()),
    "one file is gone": lambda: after(DayFile, "remove"),
    "bytes are gone": lambda: after(Blobs, "remove"),
    "a tombstone is set": lambda: after(records, "bury"),
    "erased": lambda: after(Catalog, "erase"),
}


def roll_and_die(root: Path, point: str, then: str) -> None:
    catalog = Catalog(root)
    POINTS[point]()
    if then == "roll":
        roll(catalog, root / "traces", by="ops", now=time.time(), keep_days=7)
    else:
        erase_traces(catalog, root / "traces", by=DPO, actor="bo")


def killed(root: Path, point: str, then: str = "roll") -> bool:
    process = processes.Process(target=roll_and_die, args=(root, point, then))
    process.start()
    process.join(60)
    code = process.exitcode
    process.close()
    assert code in (0, -9)
    return code == -9


@pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")
@pytest.mark.parametrize("point", POINTS)
def test_killed_at(root: Path, point: str):
    with world(root) as house:
        record(house.folder, [house.trace("a", state="open"), house.trace("b")])
        rolling(house)
        record(house.folder, [house.trace("a")])
        record(house.folder, [house.trace("c", actor="bo", answer="the secret of bo")])
        record(house.folder, [house.trace("old", at=OVER - 30 * DAY)])
        assert killed(root, point)
        if point != "bytes are gone":  # of the one that is too old
            assert sorted(ids(house))[:3] == ["a", "b", "c"]
        rolling(house, keep_days=7)
        assert sorted(ids(house)) == ["a", "b", "c"]
        states = {row.state for row in days.rows(house.catalog, house.folder, Wanted())}
        assert states == {"done"}
        assert day_files(house.folder) == []
        assert erase_traces(house.catalog, house.folder, by=DPO, actor="bo") == 1
        assert holds_parquet(root) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")
@pytest.mark.parametrize("point", POINTS)
def test_erasing_killed_at(root: Path, point: str):
    with world(root) as house:
        record(house.folder, [house.trace("a"), house.trace("b", actor="bo")])
        rolling(house)
        record(house.folder, [house.trace("c", actor="bo", answer="the secret of bo")])
        was_killed = killed(root, point, "erase")
        assert was_killed == (point != "one file is gone")
        erase_traces(house.catalog, house.folder, by=DPO, actor="bo")
        assert ids(house) == ["a"]
        assert holds_parquet(root) == 1
        assert holds(root, "the secret of bo") == []


def holds_parquet(root: Path) -> int:
    """Count the rolled files whose bytes lie in the store, under whatever name, also unfinished."""
    files = (path for path in root.rglob("*") if path.is_file())
    inodes = {path.stat().st_ino for path in files if path.read_bytes()[:4] == b"PAR1"}
    return len(inodes)


def test_reading_while_it_is_rolled_up_misses_nothing(house: World):
    for number in range(8):
        record(house.folder, [house.trace(f"{number:02}", at=OVER - DAY * number)])
    process = processes.Process(target=roll_all, args=(house.catalog.root,))
    process.start()
    looks = 0
    while process.is_alive() or not looks:
        assert ids(house) == [f"{number:02}" for number in range(8)]
        looks += 1
    process.join()
    assert process.exitcode == 0
    process.close()
    assert day_files(house.folder) == []


def roll_all(root: Path) -> None:
    catalog = Catalog(root)
    roll(catalog, root / "traces", by="ops", now=time.time())
    catalog.close()


async def test_a_worker_goes_on_while_its_day_before_is_rolled_up(house: World):
    recorder = Recorder(house.folder)
    await recorder.record(house.trace("a"))
    await recorder.record(house.trace("b", at=time.time()))
    rolling(house)
    await recorder.record(house.trace("c", at=time.time() + 1))
    recorder.close()
    assert ids(house) == ["c", "b", "a"]
