"""A canary chooses its actors once and for all; a trial ends where it must, and is on record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from math import sqrt
from pathlib import Path

import pytest

from inhouse.catalog import Catalog
from inhouse.catalog.trials import Kind, Trial
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, NotFound
from inhouse.core.label import Label
from inhouse.core.stage import Recipe, Stage
from inhouse.serve.endpoint import Serve

DESK = Ref.parse("endpoints/desk")
ACTORS = [f"actor-{number}" for number in range(1_000)]
STAGE = Stage("test.endpoint", 1, lambda spec, inputs, ctx: _result())


def _result():
    from inhouse.core.stage import Result

    return Result()


def chosen(trial: Trial) -> set[str]:
    return {actor for actor in ACTORS if trial.chooses(actor)}


def trial(first: str, percent: float) -> Trial:
    return Trial(DESK.at(first), "canary", percent, first, time.time(), "ana")


@pytest.mark.parametrize("first", ["ab" * 32, "cd" * 32, "0" * 64])
def test_shares_are_met_and_only_grow(first: str) -> None:
    before: set[str] = set()
    for percent in (0.5, 1, 5, 10, 25, 50, 90, 100):
        now = chosen(trial(first, percent))
        share = percent / 100
        assert abs(len(now) - 1_000 * share) <= 4 * sqrt(1_000 * share * (1 - share))
        assert before <= now
        before = now
    assert before == set(ACTORS)


def test_other_candidates_choose_other_actors() -> None:
    one, other = chosen(trial("ab" * 32, 50)), chosen(trial("cd" * 32, 50))
    assert abs(len(one & other) - 250) < 4 * sqrt(1_000 * 0.25 * 0.75)
    elsewhere = Trial(Ref("endpoints", "help", "ab" * 32), "canary", 50, "ab" * 32, 0.0, "ana")
    assert abs(len(one & chosen(elsewhere)) - 250) < 4 * sqrt(1_000 * 0.25 * 0.75)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    made = Catalog(tmp_path / "store")
    made.access.set_label(DESK, Label.OPEN, by="admin")
    yield made
    made.close()


def version(catalog: Catalog, top: int) -> Ref:
    made = catalog.make(Recipe(DESK, STAGE, Serve(top=top)), by="admin", point=top == 1)
    return made.artifact.ref


def told(catalog: Catalog) -> list[tuple[str, str]]:
    return [
        (entry.action, entry.note.partition(",")[0])
        for entry in catalog.audit()
        if "canary" in entry.action or "shadow" in entry.action
    ]


def begin(catalog: Catalog, ref: Ref, percent: float = 10, kind: Kind = "canary") -> Trial:
    return catalog.trials.begin(ref, kind=kind, percent=percent, by="ana")


def test_a_share_that_is_raised_is_the_same_trial(catalog: Catalog) -> None:
    version(catalog, 1)
    second, third = version(catalog, 2), version(catalog, 3)
    first = begin(catalog, second)
    assert catalog.lineage.now().trial(DESK) == first
    assert catalog.trials.renew(third, tried=second, by="ana")
    assert not catalog.trials.renew(second, tried=second, by="ana")
    raised = begin(catalog, third, 20)
    assert (raised.first, raised.began) == (second.version, first.began)
    assert chosen(first) < chosen(raised)
    assert catalog.lineage.now().trial(DESK) == raised == catalog.trials.of(DESK)
    assert catalog.trials.versions(raised) == {second.version, third.version}
    begin(catalog, third, 100, "shadow")
    assert [action for action, _ in told(catalog)] == [
        "canary", "canary", "canary", "end canary", "shadow",
    ]  # fmt: skip
    assert told(catalog)[2] == ("canary", "20 % of the actors; before: 10 %")


@pytest.mark.parametrize("percent", [0, -1, 100.5, float("nan")])
def test_a_share_is_a_share(catalog: Catalog, percent: float) -> None:
    version(catalog, 1)
    with pytest.raises(BadInput, match="no share"):
        begin(catalog, version(catalog, 2), percent)


def test_what_is_served_or_gone_is_not_tried(catalog: Catalog) -> None:
    first, second = version(catalog, 1), version(catalog, 2)
    with pytest.raises(BadInput, match="served to everybody already"):
        begin(catalog, first)
    catalog.delete(second, by="ana")
    with pytest.raises(NotFound):
        begin(catalog, second)
    assert catalog.trials.running() == []


def test_what_ends_a_trial(catalog: Catalog) -> None:
    first = version(catalog, 1)
    releases = catalog.releases
    releases.release(first, by="ana")
    second, third = version(catalog, 2), version(catalog, 3)

    begin(catalog, second)
    releases.offer(third, by="ana", new=False)
    assert catalog.trials.of(DESK)
    releases.offer(third, by="ana", new=True)
    assert catalog.trials.of(DESK) is None
    begin(catalog, second)
    ended = releases.release(third, by="ana")
    assert ended
    assert ended.ref == second
    begin(catalog, second)
    before = releases.before(DESK)
    releases.roll_back(before.ref, to=before, by="ana")
    begin(catalog, second)
    assert releases.renew(second, served=first, by="ana")
    assert catalog.trials.of(DESK) is None
    begin(catalog, third)
    catalog.delete(third, by="ana")
    begin(catalog, version(catalog, 4))
    catalog.retire(DESK, by="ana")
    assert catalog.lineage.now().trial(DESK) is None
    assert [note for action, note in told(catalog) if action == "end canary"] == [
        f"{third} is a new candidate",
        f"{third} was released",
        f"rolled back to {first}",
        "it is what is served",
        "it was deleted",
        "taken out of service",
    ]


def test_what_is_tried_outlives_a_collection(catalog: Catalog) -> None:
    version(catalog, 1)
    second, third = version(catalog, 2), version(catalog, 3)
    begin(catalog, second)
    assert catalog.collect(by="ana").artifacts == (third,)
    catalog.trials.end(DESK, by="ana", why="enough")
    assert catalog.collect(by="ana").artifacts == (second,)
