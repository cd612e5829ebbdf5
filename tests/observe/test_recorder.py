"""What was recorded is there, as it was, whoever else records; what was not is a StoreError."""

from __future__ import annotations

import asyncio
import errno
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, StoreError
from inhouse.core.label import Label
from inhouse.core.nouns import Trace
from inhouse.observe import recorder as module
from inhouse.observe.dayfile import DayFile, day_files
from inhouse.observe.recorder import Recorder
from inhouse.observe.traces import Traces
from inhouse.observe.wanted import Wanted
from observe.observe_world import EVE, OVER, World, record


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(tmp_path / "traces")
    yield made
    made.close()


def plain(id: str, **more) -> Trace:
    about = {"at": time.time(), "actor": "ana", "route": "/", "state": "done", **more}
    return Trace(id=id, label=Label.OPEN, **about)


def found(house: World, wanted: Wanted | None = None, last: int = 10_000) -> list[Trace]:
    return list(Traces(house.catalog, house.folder).find(EVE, wanted or Wanted(), last=last).traces)


def test_a_trace_comes_back_as_it_was(house: World):
    whole = house.trace(
        error="none",
        finish="stop",
        prompt_tokens=3,
        completion_tokens=4,
        first_token_seconds=0.25,
        seconds=1.5,
        cost=0.01,
        price="euro",
        extra={"guard": ["pii"]},
        answer="Größe „9“ \n \x00 😀",
    )
    bare = plain("bare", at=OVER - 1)
    record(house.folder, [whole, bare])
    assert found(house) == [whole, bare]


def test_the_same_id_replaces(house: World):
    opened = house.trace("one", state="open", answer="")
    record(house.folder, [opened, house.trace("two", at=OVER + 1), house.trace("one")])
    assert [(t.id, t.state) for t in found(house)] == [("two", "done"), ("one", "done")]


async def test_many_at_once_are_all_there(house: World):
    recorder = Recorder(house.folder, "process")
    ids = {f"{number:05}" for number in range(3_000)}
    await asyncio.gather(*(recorder.record(house.trace(id)) for id in ids))
    recorder.close()
    assert {trace.id for trace in found(house)} == ids


async def test_several_loops_share_a_recorder(house: World, recorder: Recorder):
    def elsewhere(number: int) -> None:
        asyncio.run(recorder.record(plain(f"loop-{number}")))

    threads = [threading.Thread(target=elsewhere, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    await recorder.record(plain("here"))
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


async def test_who_stops_waiting_stops_nobody(recorder: Recorder):
    task = asyncio.create_task(recorder.record(plain("a")))
    await asyncio.sleep(0)
    task.cancel()
    await recorder.record(plain("b"))
    assert recorder.healthy


async def test_no_json_is_refused_and_the_next_is_recorded(recorder: Recorder):
    for wrong in ({"x": object()}, {"x": "\ud800"}):
        with pytest.raises(BadInput, match="Trace 'a' "):
            await recorder.record(plain("a", extra=wrong))
    await recorder.record(plain("b"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"extra": {"x": object()}},
        {"answer": "\ud800"},
        {"actor": "\ud800"},
        {"model": "x\ud800"},
        {"state": "\ud800"},
        {"endpoint": Ref("endpoints", "\ud800")},
        {"sources": (Ref("data", "\ud800"),)},
        {"at": float("nan")},
        {"at": float("inf")},
        {"at": 1e300},
        {"at": -1e11},
    ],
)
async def test_what_cannot_be_recorded_fails_alone(house: World, wrong: dict):
    recorder = Recorder(house.folder)
    mates = [recorder.record(house.trace(f"{n:02}")) for n in range(40)]
    bad = recorder.record(house.trace("bad", **wrong))
    results = await asyncio.gather(*mates[:20], bad, *mates[20:], return_exceptions=True)
    assert [type(r) for r in results if r is not None] == [BadInput]
    assert recorder.healthy
    recorder.close()
    assert {trace.id for trace in found(house)} == {f"{n:02}" for n in range(40)}


async def test_an_id_that_is_no_text_is_refused(recorder: Recorder):
    with pytest.raises(BadInput, match="no text"):
        await recorder.record(plain("\ud800"))
    assert recorder.healthy


async def test_a_closed_recorder_refuses(tmp_path: Path):
    recorder = Recorder(tmp_path)
    recorder.close()
    recorder.close()
    with pytest.raises(StoreError, match="closed"):
        await recorder.record(plain("a"))


async def test_more_than_can_be_held_is_refused(recorder: Recorder, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 8)
    tasks = [recorder.record(plain(f"{n}")) for n in range(500)]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [r for r in results if r is not None]
    assert refused and all(isinstance(r, StoreError) for r in refused)
    await recorder.record(plain("after"))


async def test_close_records_what_waits(house: World):
    recorder = Recorder(house.folder)
    tasks = [asyncio.create_task(recorder.record(house.trace(f"{n}"))) for n in range(100)]
    await asyncio.sleep(0)
    await asyncio.to_thread(recorder.close)
    await asyncio.gather(*tasks)
    assert len(found(house)) == 100


def test_the_files_of_a_worker_are_its_own(house: World):
    one, two = Recorder(house.folder), Recorder(house.folder)
    files = day_files(house.folder)
    assert len(files) == 2
    assert all(file.alive() for file in files)
    one.close()
    two.close()
    assert not any(file.alive() for file in files)
    assert {path.suffix for path in house.folder.iterdir()} <= {".db", ".lock"}


async def test_a_day_that_is_over_is_let_go_of(house: World):
    recorder = Recorder(house.folder)
    await recorder.record(house.trace("a", state="open", answer=""))
    await recorder.record(house.trace("b", at=time.time()))
    (old, today) = day_files(house.folder)
    assert not old.alive()
    assert today.alive()
    assert [(t.id, t.state) for t in found(house)] == [("b", "done"), ("a", "aborted")]
    await recorder.record(house.trace("a"))  # its end comes late, into a file of its own
    assert [(t.id, t.state) for t in found(house)] == [("b", "done"), ("a", "done")]
    assert found(house, Wanted(state="aborted")) == []
    recorder.close()


async def test_what_cannot_be_tidied_up_was_recorded(house: World, monkeypatch):
    recorder = Recorder(house.folder)
    await recorder.record(house.trace("now", at=time.time()))
    with monkeypatch.context() as patch:
        patch.setattr(DayFile, "empty", damaged)
        await recorder.record(house.trace("old"))  # of a day that is over: let go of at once
        await recorder.record(house.trace("new", at=time.time()))
        assert recorder.healthy
        recorder.close()
    assert {trace.id for trace in found(house)} == {"old", "now", "new"}
    assert not any(file.alive() for file in day_files(house.folder))


def damaged(file: DayFile) -> bool:
    raise StoreError(f"{file.path} cannot be used.", "Mend it.")


def test_asking_for_a_file_that_is_gone_leaves_nothing(tmp_path: Path):
    file = DayFile.new(tmp_path, "2026-11-21")
    assert not file.alive()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Nothing can be recorded"):
        Recorder(tmp_path / "file" / "traces")


ROOM = 3 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if sys.platform != "linux":
        pytest.skip("mounts a small disk in memory, as Linux does")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a small disk here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


async def until(healthy: bool, recorder: Recorder) -> None:
    limit = time.monotonic() + 30
    while recorder.healthy != healthy:
        assert time.monotonic() < limit
        await asyncio.sleep(0.02)


async def test_a_full_disk_is_said_and_mended_by_room(small_disk: Path, monkeypatch):
    recorder = Recorder(small_disk / "traces")
    await recorder.record(plain("before"))
    filler = small_disk / "filler"
    with filler.open("ab", buffering=0) as out, pytest.raises(OSError, match="space") as full:
        while True:
            out.write(bytes(1 << 12))
    assert full.value.errno == errno.ENOSPC
    with pytest.raises(StoreError, match="full") as caught:
        for number in range(100):
            await recorder.record(plain(f"{number}", answer="x" * 50_000))
    assert "space" in caught.value.fix
    assert not recorder.healthy
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.05)
    filler.unlink()
    await until(True, recorder)  # by itself, without anybody asking
    await recorder.record(plain("after"))
    recorder.close()
    (file,) = day_files(small_disk / "traces")
    connection = file.open()
    assert connection is not None
    ids = {id for (id,) in connection.execute("SELECT id FROM traces")}
    connection.close()
    assert {"before", "after"} <= ids


QUOTA = """
import asyncio, resource, sys, time
from pathlib import Path
from inhouse.core.errors import StoreError
from inhouse.core.label import Label
from inhouse.core.nouns import Trace
from inhouse.observe.recorder import Recorder

async def main():
    recorder = Recorder(Path(sys.argv[1]))
    def trace(n):
        return Trace(id=str(n), at=time.time(), actor="a", route="/", state="done",
                     label=Label.OPEN, answer="x" * 60_000)
    await recorder.record(trace(-1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    try:
        for n in range(50):
            await recorder.record(trace(n))
    except StoreError:
        assert not recorder.healthy
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        await recorder.record(trace("after"))
        assert recorder.healthy
        recorder.close()
        print("said so")

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on file sizes there")
def test_a_quota(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", QUOTA, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "said so\n"), done.stderr
