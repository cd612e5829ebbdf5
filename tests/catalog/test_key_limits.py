"""What a key is for and how much it may ask: kept, changed, and counted over processes."""

from __future__ import annotations

import multiprocessing
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from inhouse.catalog import Catalog
from inhouse.catalog.key import Key, Limits
from inhouse.catalog.spending import DAY_SECONDS, Spending
from inhouse.core.access import Actor
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, NotFound, Refused

NOON = 20_000 * DAY_SECONDS + DAY_SECONDS / 2


def made(catalog: Catalog, **allowed: int) -> Key:
    return catalog.keys.create("ana", by="owner", allowed=Limits(**allowed))[0]


def test_limits_are_kept_and_changed_without_a_new_secret(catalog: Catalog):
    allowed = Limits(60, 1000, 2)
    key, secret = catalog.keys.create("ana", by="owner", only=("endpoints/desk",), allowed=allowed)
    plain, _ = catalog.keys.create("bo", by="owner")
    assert (key.only, key.limits, key.limited) == (("endpoints/desk",), allowed, True)
    assert (plain.only, plain.limits, plain.limited) == ((), Limits(), False)
    assert catalog.keys.list() == [key, plain]
    assert catalog.keys.of(secret)[0] == key

    changed = catalog.keys.change(key.id, by="owner", allowed=Limits(concurrent=5))
    assert catalog.keys.of(secret)[0] == changed
    assert (changed.only, changed.limits, changed.number) == (key.only, Limits(None, None, 5), 1)
    assert catalog.keys.change(key.id, by="owner", only=()).only == ()
    notes = [(entry.action, entry.note) for entry in catalog.audit()]
    assert ("create key", "for ana, only for endpoints/desk, " + str(allowed)) in notes
    assert ("change key", "only for endpoints/desk, 5 requests at once") in notes
    with pytest.raises(NotFound):
        catalog.keys.change("00000000", by="owner")


@pytest.mark.parametrize("name", ["data/memos", "endpoints/", "desk", "endpoints/desk@12345678"])
def test_a_key_is_only_for_what_is_used_or_searched(catalog: Catalog, name: str):
    with pytest.raises(BadInput):
        catalog.keys.create("ana", by="owner", only=(name,))


@pytest.mark.parametrize(
    "wrong", [{"concurrent": 0}, {"concurrent": 10_001}, {"tokens_per_day": -1}]
)
def test_a_limit_is_a_number_that_makes_sense(wrong: dict[str, int]):
    with pytest.raises(BadInput):
        Limits(**wrong)


def test_a_name_holds_for_what_lies_below_it():
    actor = Actor("ana", only=("models/minilm", "knowledge"))
    inside = ("models/minilm", "models/minilm/openvino-f16", "knowledge/desk")
    assert all(actor.within(Ref.parse(name)) for name in inside)
    assert not any(actor.within(Ref.parse(f"{s}/minilm2")) for s in ("models", "endpoints"))


def test_a_key_for_less_is_refused_and_on_record(catalog: Catalog):
    _, secret = catalog.keys.create("ana", by="owner", only=("knowledge",))
    _, actor = catalog.keys.of(secret)
    decision = catalog.access.decide(actor, "use", Ref.parse("endpoints/desk"))
    with pytest.raises(Refused, match="this key is only for knowledge"):
        decision.require()
    assert not catalog.audit(last=1)[0].allowed


def test_requests_come_all_at_once_and_then_one_by_one(catalog: Catalog):
    spending, key = Spending(catalog.root), made(catalog, requests_per_minute=3)
    taken = [spending.take(key, NOON).refused for _ in range(4)]
    assert taken == [None, None, None, "requests"]
    assert spending.take(key, NOON).wait == pytest.approx(20)
    assert spending.take(key, NOON + 20).refused is None
    assert spending.take(key, NOON + 20).refused == "requests"
    # A clock that was set back closes nothing for longer than a minute.
    assert spending.take(key, NOON - 1000).wait <= 20.001
    assert spending.take(key, NOON - 1000 + 60).refused is None


def test_tokens_of_a_day_end_with_it_in_utc(catalog: Catalog):
    spending, key = Spending(catalog.root), made(catalog, tokens_per_day=10)
    assert spending.take(key, NOON).refused is None
    spending.spend(key, 12, NOON)
    refused = spending.take(key, NOON)
    assert (refused.refused, refused.wait) == ("tokens", DAY_SECONDS / 2)
    assert Spending(catalog.root).today(key, NOON) == (1, 12)
    assert spending.take(key, NOON + DAY_SECONDS).refused is None
    assert spending.today(key, NOON + DAY_SECONDS) == (1, 0)
    assert spending.today(key, NOON + 2 * DAY_SECONDS) == (0, 0)


def count(root: Path, key: Key, times: int) -> None:
    spending = Spending(root)
    for _ in range(times):
        spending.take(key, NOON)
        spending.spend(key, 3, NOON)


def test_no_count_is_lost_between_processes(catalog: Catalog):
    keys = [made(catalog, tokens_per_day=10**9) for _ in range(2)]
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=count, args=(catalog.root, key, 400)) for key in keys * 2]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert [Spending(catalog.root).today(key, NOON) for key in keys] == [(800, 2400)] * 2


def hold(root: Path, key: Key, held: multiprocessing.Queue) -> None:
    spending = Spending(root)
    held.put([spending.hold(key) for _ in range(2)])
    time.sleep(60)


@pytest.mark.skipif(sys.platform == "win32", reason="one process serves a store there")
def test_who_is_killed_gives_places_back(catalog: Catalog):
    spending, key = Spending(catalog.root), made(catalog, concurrent=3)
    context = multiprocessing.get_context("spawn")
    held = context.Queue()
    worker = context.Process(target=hold, args=(catalog.root, key, held))
    worker.start()
    assert None not in held.get(timeout=60)
    place = spending.hold(key)
    assert place is not None
    assert spending.hold(key) is None
    spending.let_go(key, place)
    worker.kill()
    worker.join(60)
    assert len({spending.hold(key) for _ in range(3)} - {None}) == 3
    assert spending.hold(key) is None


def test_an_older_store_is_brought_up(tmp_path: Path):
    catalog = Catalog(tmp_path / "store")
    _, secret = catalog.keys.create("ana", by="owner")
    catalog.close()
    with closing(sqlite3.connect(tmp_path / "store" / "catalog.db")) as database:
        database.executescript(
            "DROP TABLE limits; DROP TABLE contents; DELETE FROM migrations WHERE number >= 5;"
        )
    catalog = Catalog(tmp_path / "store")
    assert catalog.keys.of(secret)[0].limits == Limits()
    catalog.close()


def test_a_place_may_be_given_back_after_the_end(catalog: Catalog):
    key, spending = made(catalog, concurrent=1), Spending(catalog.root)
    place = spending.hold(key)
    assert place is not None
    spending.close()
    spending.let_go(key, place)


@pytest.mark.skipif(sys.platform == "win32", reason="no locks between processes there")
def test_looking_at_the_counts_frees_no_place(catalog: Catalog):
    key, spending = made(catalog, concurrent=1), Spending(catalog.root)
    assert spending.hold(key) is not None
    assert spending.today(key, NOON) == (0, 0)
    look = "import sys; from pathlib import Path; from inhouse.catalog import Catalog;"
    look += "from inhouse.catalog.spending import Spending;"
    look += "catalog = Catalog(Path(sys.argv[1])); key, = catalog.keys.list();"
    look += "print(Spending(catalog.root).hold(key))"
    said = subprocess.run(
        [sys.executable, "-c", look, str(catalog.root)], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "None"
    spending.close()
