"""Who may read a trace: under its own label, and those now in force of all it was made from."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inhouse.core.access import Actor
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, NotFound, Refused
from inhouse.core.label import Label
from inhouse.observe.roll import roll
from inhouse.observe.traces import Page, Traces
from inhouse.observe.wanted import Wanted
from observe.observe_world import ANA, BO, DAY, EVE, OVER, World, make, record, world


def look(house: World, reader: Actor, wanted: Wanted | None = None, last: int = 50) -> Page:
    return Traces(house.catalog, house.folder).find(reader, wanted or Wanted(), last=last)


def ids(page: Page) -> list[str]:
    return [trace.id for trace in page.traces]


def reads(house: World) -> list[tuple[str, bool, str]]:
    entries = house.catalog.audit(last=1000)
    return [(e.actor, e.allowed, e.note) for e in entries if e.thing == "traces"]


@pytest.fixture(params=["recorded", "rolled"])
def put(request, house: World):
    """Record traces; read them from the workers' files, or rolled up."""

    def put(*traces):
        record(house.folder, traces)
        if request.param == "rolled":
            roll(house.catalog, house.folder, by="ops", now=time.time())

    return put


def test_everybody_reads_their_own_and_an_auditor_all(house: World, put):
    put(house.trace("a", actor="ana"), house.trace("b", actor="bo", at=OVER + 1))
    assert ids(look(house, ANA)) == ["a"]
    assert ids(look(house, BO)) == ["b"]
    assert reads(house) == []
    assert ids(look(house, EVE)) == ["b", "a"]
    assert ids(look(house, EVE, Wanted(actor="ana"))) == ["a"]
    assert reads(house) == [("eve", True, "1 of ana, 1 of bo"), ("eve", True, "1 of ana")]


def test_those_of_somebody_else_are_refused_and_on_record(house: World, put):
    put(house.trace("a"))
    with pytest.raises(Refused, match="bo may not read the traces of ana"):
        look(house, BO, Wanted(actor="ana"))
    assert reads(house) == [("bo", False, "wanted those of ana")]
    with pytest.raises(NotFound):
        Traces(house.catalog, house.folder).get(BO, "a")


def test_what_is_wanted(house: World, put):
    api = {"endpoint": None, "model": "gpt-x", "sources": (), "sections": ()}
    put(
        house.trace("a1", at=OVER - DAY, answer="Um „Größe“ geht es."),
        house.trace("a2", at=OVER, state="failed", error="It BROKE", **api),
        house.trace("b3", at=OVER + 5),
    )
    expected = {
        Wanted(): ["b3", "a2", "a1"],
        Wanted(since=OVER): ["b3", "a2"],
        Wanted(until=OVER): ["a1"],
        Wanted(since=OVER, until=OVER + 5): ["a2"],
        Wanted(endpoint="endpoints/desk"): ["b3", "a1"],
        Wanted(endpoint=f"endpoints/desk@{house.desk.version[:6]}"): ["b3", "a1"],
        Wanted(endpoint="endpoints/des"): [],
        Wanted(model="gpt-x"): ["a2"],
        Wanted(model="models/base"): ["b3", "a1"],
        Wanted(state="failed"): ["a2"],
        Wanted(state="open"): [],
        Wanted(id="a"): ["a2", "a1"],
        Wanted(contains="GRÖSSE"): ["a1"],
        Wanted(contains="it broke"): ["a2"],
        Wanted(contains="the price"): ["b3", "a2", "a1"],
        Wanted(contains="content"): [],  # a key of the JSON is not a text
    }
    assert {wanted: ids(look(house, EVE, wanted)) for wanted in expected} == expected
    assert ids(look(house, EVE, last=2)) == ["b3", "a2"]
    with pytest.raises(BadInput, match="at once"):
        look(house, EVE, last=10_001)


@pytest.mark.parametrize("field", ["actor", "endpoint", "model", "id", "contains"])
def test_what_no_trace_can_have_is_not_looked_for(field: str):
    with pytest.raises(BadInput, match="no text"):
        Wanted(**{field: "price \udcff"})


def test_one_by_its_id(house: World, put):
    put(house.trace("abc1"), house.trace("abc2"), house.trace("abc"), house.trace("x_y%"))
    traces = Traces(house.catalog, house.folder)
    assert traces.get(ANA, "abc").id == "abc"
    assert traces.get(EVE, "x").id == "x_y%"
    assert reads(house) == [("eve", True, "1 of ana")]
    with pytest.raises(BadInput, match="Several"):
        traces.get(ANA, "ab")
    for nothing in ("%", "abc3", "b"):
        with pytest.raises(NotFound):
            traces.get(ANA, nothing)


def test_a_tightened_source_hides_old_traces_at_the_next_look(house: World, put):
    put(house.trace("a"), house.trace("b", sources=(), sections=()))
    assert ids(look(house, ANA)) == ["b", "a"]
    house.catalog.access.set_label(house.memos, Label.parse("sell"), by="owner")
    assert look(house, ANA).hidden == 2  # neither may they use the endpoint any more
    house.catalog.access.set_label(house.memos, Label.parse("buy"), by="owner")
    assert ids(look(house, ANA)) == ["b", "a"]


def test_a_tightened_model_hides_them(house: World, put):
    put(house.trace("a"), house.trace("b", endpoint=None))
    house.catalog.access.set_label(house.model, Label.parse("sell"), by="owner")
    assert (ids(look(house, ANA)), look(house, ANA).hidden) == ([], 2)
    assert ids(look(house, EVE)) == ["b", "a"]


def test_a_deleted_source_and_one_never_known_close_them(house: World, put):
    other = make(house.catalog, "data/other", "open")
    put(
        house.trace("a", sources=(other,)),
        house.trace("b", sources=(Ref("data", "nowhere", "0" * 64),)),
        house.trace("c", label=Label.CLOSED),
        house.trace("d"),
    )
    assert ids(look(house, EVE)) == ["d", "a"]
    house.catalog.delete(other, by="owner")
    assert ids(look(house, EVE)) == ["d"]
    assert look(house, ANA).hidden == 3


def test_a_model_of_an_api_that_is_called_like_one_of_ours_closes_nothing(house: World, put):
    put(house.trace("a", endpoint=None, model="models/gemini-1.5-pro", sources=()))
    assert ids(look(house, ANA)) == ["a"]


def test_the_count_does_not_tell_what_is_in_them(house: World, put):
    put(house.trace("a", answer="secret", label=Label.parse("sell")))
    for contains in ("secret", "else"):
        assert look(house, ANA, Wanted(contains=contains)).hidden == 1


def test_an_auditor_learns_no_count_of_what_is_closed(house: World, put):
    closed = {"actor": "cy", "label": Label.CLOSED}
    put(house.trace("a", **closed), house.trace("b", **closed), house.trace("c", actor="eve"))
    house.catalog.access.set_label(house.desk, Label.parse("it"), by="owner")
    for wanted in (Wanted(), Wanted(actor="cy"), Wanted(endpoint="endpoints/desk", until=OVER + 1)):
        page = look(house, EVE, wanted)
        assert (ids(page), page.hidden) == ([], 0 if wanted.actor else 1)


GROUPS = ["buy", "sell", "it", "auditor"]
clause = st.frozensets(st.sampled_from(GROUPS[:3]), min_size=1, max_size=2)
label = st.frozensets(clause, max_size=2).map(Label)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    labels=st.lists(label, min_size=5, max_size=5),
    later=st.lists(label, min_size=4, max_size=4),
    held=st.frozensets(st.sampled_from(GROUPS)),
    reader=st.sampled_from(["ana", "bo"]),
    is_rolled=st.booleans(),
)
def test_nobody_reads_what_they_may_not(tmp_path_factory, labels, later, held, reader, is_rolled):
    own = labels.pop()
    with world(tmp_path_factory.mktemp("world") / "store") as house:
        extra = make(house.catalog, "data/extra", "open")
        things = [house.model, house.desk, house.memos, extra]

        def label_all(wanted: list[Label]) -> None:
            for ref, one in zip(things, wanted, strict=True):
                house.catalog.access.set_label(ref, one, by="owner")

        label_all(labels)
        record(house.folder, [house.trace("t", label=own, sources=(house.memos, extra))])
        if is_rolled:
            roll(house.catalog, house.folder, by="ops", now=time.time())
        label_all(later)
        shown = ids(look(house, Actor(reader, held))) == ["t"]
        may = all(one.admits(held) for one in [own, *later])
        assert shown == (may and (reader == "ana" or "auditor" in held))


def test_following(house: World):
    traces = Traces(house.catalog, house.folder)
    record(house.folder, [house.trace("before")])
    told: list[str] = []

    def follow() -> None:
        for trace in traces.follow(EVE, Wanted()):
            told.append(trace.id)
            if trace.id == "last":
                return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    time.sleep(0.3)
    now = time.time() + 1
    record(
        house.folder, [house.trace("one", at=now), house.trace("hid", at=now, label=Label.CLOSED)]
    )
    time.sleep(1.2)
    record(house.folder, [house.trace("last", at=now + 1, actor="bo")])
    thread.join(30)
    assert told == ["one", "last"]
    assert reads(house) == [("eve", True, "1 of ana"), ("eve", True, "1 of bo")]


def test_who_leaves_the_auditors_follows_no_more(house: World):
    at = time.time() + 1
    following = Traces(house.catalog, house.folder).follow(EVE, Wanted())
    record(house.folder, [house.trace("one", at=at)])
    assert next(following).id == "one"
    house.catalog.access.apply({"eve": frozenset({"buy"})}, {}, by="owner")
    record(house.folder, [house.trace("two", at=at), house.trace("own", at=at + 1, actor="eve")])
    assert next(following).id == "own"


def test_who_leaves_the_auditors_is_told_no_more_of_somebody(house: World):
    at = time.time() + 1
    following = Traces(house.catalog, house.folder).follow(EVE, Wanted(actor="ana"))
    record(house.folder, [house.trace("one", at=at)])
    assert next(following).id == "one"
    house.catalog.access.apply({}, {}, by="owner")
    record(house.folder, [house.trace("two", at=at)])
    with pytest.raises(Refused, match="eve may not read the traces of ana"):
        next(following)
