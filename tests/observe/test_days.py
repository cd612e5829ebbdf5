"""A day that is being erased or deleted while somebody reads it is read as it then is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from inhouse.catalog import Catalog, records
from inhouse.catalog.blobs import Blobs
from inhouse.core.artifact import Artifact
from inhouse.core.errors import Corrupt
from inhouse.observe import days, rolled
from inhouse.observe.erase import erase
from inhouse.observe.roll import roll
from inhouse.observe.wanted import Wanted
from observe.observe_world import DPO, World, record


@pytest.fixture
def day(house: World) -> Artifact:
    record(house.folder, [house.trace("a"), house.trace("b", actor="bo")])
    (made,) = roll(house.catalog, house.folder, by="ops", now=time.time()).made
    return made


def ids(house: World) -> list[str]:
    return [row.id for row in days.rows(house.catalog, house.folder, Wanted())]


def once_before(monkeypatch, owner: object, name: str, do: Callable[[], object]) -> None:
    """Have something done the next time that a function is called, before it does its work."""
    real = getattr(owner, name)

    def then(*args, **kwargs):
        monkeypatch.setattr(owner, name, real)
        do()
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, then)


MOMENTS = {"found": (Catalog, "load"), "verified": (rolled, "opened")}


@pytest.mark.parametrize("moment", MOMENTS)
def test_replaced_once_it_is(house: World, day: Artifact, monkeypatch, moment: str):
    def replace() -> None:
        assert erase(house.catalog, house.folder, by=DPO, actor="bo") == 1

    once_before(monkeypatch, *MOMENTS[moment], replace)
    assert ids(house) == ["a"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_deleted_once_it_is(house: World, day: Artifact, monkeypatch, moment: str):
    def delete() -> None:
        house.catalog.erase(day.ref, by="ops")

    once_before(monkeypatch, *MOMENTS[moment], delete)
    assert ids(house) == []


def test_its_bytes_are_gone_and_it_not_yet(house: World, day: Artifact, monkeypatch):
    removed = threading.Event()
    real_remove = Blobs.remove

    def remove(*args, **kwargs) -> None:
        real_remove(*args, **kwargs)
        removed.set()

    def begin() -> None:
        thread.start()
        assert removed.wait(30)

    thread = threading.Thread(target=house.catalog.erase, args=(day.ref,), kwargs={"by": "ops"})
    monkeypatch.setattr(Blobs, "remove", remove)
    once_before(monkeypatch, records, "bury", lambda: time.sleep(0.5))
    once_before(monkeypatch, Catalog, "load", begin)
    assert ids(house) == []
    thread.join(30)


def test_what_is_damaged_is_said(house: World, day: Artifact):
    blob = house.catalog.blobs.path(day.files[rolled.FILE].digest)
    blob.chmod(0o600)
    blob.write_bytes(b"PAR1")
    for _ in range(2):
        with pytest.raises(Corrupt):
            ids(house)
