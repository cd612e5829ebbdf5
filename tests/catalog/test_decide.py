"""Decisions: deny by default, on record, with a sentence that names label and origin."""

import threading
import time
from collections.abc import Callable
from ctypes import c_int
from pathlib import Path

import pytest

from catalog.making import label, make, opened, processes, started, wait_for
from inhouse.catalog import Catalog
from inhouse.core.access import Actor
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, Refused
from inhouse.core.label import Label

ANA = Actor("ana", frozenset({"hr"}))
STRANGER = Actor("eve")


def test_a_stranger_may_only_what_is_open(catalog: Catalog):
    ref = make(catalog, "data/a")
    for text, allowed in (("hr", False), ("closed", False), ("open", True)):
        label(catalog, "data/a", text)
        assert catalog.access.decide(STRANGER, "read", ref).allowed == allowed
    assert catalog.access.actor("eve") == STRANGER


def test_what_was_not_made_is_refused(catalog: Catalog):
    label(catalog, "data/a", "open")
    assert "not been made" in catalog.access.decide(ANA, "read", Ref("data", "a")).reason
    make(catalog, "data/a")
    assert catalog.access.decide(ANA, "read", Ref("data", "a")).allowed
    unknown = catalog.access.decide(ANA, "read", Ref("data", "a", "0" * 64))
    assert "no such version" in unknown.reason


def test_refusals_and_uses_are_on_record(catalog: Catalog):
    label(catalog, "data/a", "hr")
    ref = make(catalog, "data/a")
    before = len(catalog.audit())
    decide = catalog.access.decide
    decide(ANA, "read", ref)
    decide(STRANGER, "read", ref, record=False)
    decide(ANA, "use", ref, record=False)
    assert len(catalog.audit()) == before
    decide(ANA, "use", Ref("data", "a"))
    decide(STRANGER, "read", ref)
    decide(STRANGER, "use", ref)
    rows = [(e.actor, e.action, e.allowed) for e in catalog.audit()[before:]]
    assert rows == [("ana", "use", True), ("eve", "read", False), ("eve", "use", False)]
    assert {e.thing for e in catalog.audit()[before:]} == {str(ref)}


def test_a_knowledge_base_is_searched_by_whoever_may_read_a_source(catalog: Catalog):
    for name, text in (("data/memos", "hr"), ("data/wiki", "open"), ("knowledge/desk", "open")):
        label(catalog, name, text)
    memos, wiki = make(catalog, "data/memos", "m"), make(catalog, "data/wiki", "w")
    decide = catalog.access.decide
    both = make(catalog, "knowledge/desk", "both", memos, wiki)
    assert decide(STRANGER, "search", both).allowed
    assert not decide(STRANGER, "read", both).allowed
    closed = make(catalog, "knowledge/desk", "closed", memos)
    assert decide(ANA, "search", closed).allowed
    refusal = decide(STRANGER, "search", closed)
    assert "data/memos carries hr" in refusal.reason
    assert [e.action for e in catalog.audit(last=2)] == ["search", "search"]
    label(catalog, "knowledge/desk", "it")
    assert "it carries it" in decide(ANA, "search", closed).reason
    label(catalog, "models/m", "open")
    model = make(catalog, "models/m", "m", memos, wiki)
    assert not decide(STRANGER, "search", model).allowed, "only knowledge answers item by item"


def test_a_search_tells_of_what_the_embedder_learnt(catalog: Catalog):
    for name, text in (("data/memos", "hr"), ("data/wiki", "open"), ("knowledge/desk", "open")):
        label(catalog, name, text)
    label(catalog, "models/learnt", "open")
    memos, wiki = make(catalog, "data/memos", "m"), make(catalog, "data/wiki", "w")
    desk = make(catalog, "knowledge/desk", "desk", wiki, make(catalog, "models/learnt", "e", memos))
    refused = catalog.access.decide(STRANGER, "search", desk)
    assert "it carries hr, inherited from data/memos" in refused.reason
    assert (refused.allowed, refused.origins) == (False, (Ref("data", "memos"),))
    assert [e.allowed for e in catalog.audit(last=1)] == [False]
    allowed = catalog.access.decide(ANA, "search", desk)
    assert (allowed.allowed, str(allowed.label)) == (True, "hr")


def test_changes_are_on_record_once(catalog: Catalog):
    groups = {"ana": frozenset({"hr"}), "cy": frozenset[str]()}
    for _ in range(2):
        catalog.access.apply(groups, {}, by="owner")
        label(catalog, "data/a", "hr")
        make(catalog, "data/a")
    actions = [entry.action for entry in catalog.audit()]
    assert actions == ["set groups", "set label", "make", "point"]
    assert [entry.sequence for entry in catalog.audit(last=2)] == [3, 4]


def test_the_sentence_names_label_and_origin(catalog: Catalog):
    label(catalog, "data/memos", "buy-side")
    label(catalog, "data/notes", "hr")
    label(catalog, "models/m", "open")
    model = make(catalog, "models/m", "m", make(catalog, "data/memos"), make(catalog, "data/notes"))
    decision = catalog.access.decide(ANA, "use", Ref("models", "m"))
    assert decision.origins == (Ref("data", "memos"),)
    with pytest.raises(Refused) as caught:
        decision.require()
    assert caught.value.what == (
        f"ana may not use {model}: it carries buy-side, inherited from data/memos."
    )


def test_groups_work_at_once(catalog: Catalog):
    label(catalog, "data/a", "hr")
    ref = make(catalog, "data/a")

    def allowed() -> bool:
        return catalog.access.decide(catalog.access.actor("ana"), "read", ref).allowed

    assert not allowed()
    catalog.access.apply({"ana": frozenset({"hr", "it"})}, {}, by="owner")
    assert catalog.access.groups() == {"ana": frozenset({"hr", "it"})}
    assert allowed()
    catalog.access.apply({"bo": frozenset({"hr"})}, {}, by="owner")
    assert not allowed()


def test_a_bad_group_changes_nothing(catalog: Catalog):
    catalog.access.apply({"ana": frozenset({"hr"})}, {}, by="owner")
    with pytest.raises(BadInput):
        catalog.access.apply({"ana": frozenset({"a|b"})}, {}, by="owner")
    assert catalog.access.groups() == {"ana": frozenset({"hr"})}


def test_labels_are_what_was_set(catalog: Catalog):
    label(catalog, "data/a", "legal & hr|it")
    make(catalog, "data/b")
    assert catalog.access.labels() == {"data/a": Label.parse("hr|it & legal")}


def never_stale(catalog: Catalog, ref: Ref, tight: Callable[[], int], stop: Callable[[], bool]):
    """Ask until stopped; while the label is tight from before until after, it must be a no."""
    asked = 0
    while not stop() or asked < 20:
        before = tight()
        allowed = catalog.access.decide(ANA, "read", ref, record=False).allowed
        asked += 1
        assert not (allowed and before % 2 and tight() == before)
        time.sleep(0.0005)  # the one who changes labels needs the interpreter too


def ask_elsewhere(root: Path, ref: Ref, phase: c_int, done: c_int) -> None:
    with opened(root) as catalog:
        done.value = 1
        never_stale(catalog, ref, lambda: phase.value, lambda: done.value == 2)


def test_no_stale_yes_while_labels_change(catalog: Catalog):
    label(catalog, "data/a", "hr")
    label(catalog, "models/m", "open")
    model = make(catalog, "models/m", "m", make(catalog, "data/a"))
    phase, done = processes.RawValue("i", 0), processes.RawValue("i", 0)
    failures: list[BaseException] = []

    def ask(ref: Ref) -> None:
        try:
            never_stale(catalog, ref, lambda: phase.value, lambda: done.value == 2)
        except BaseException as failure:
            failures.append(failure)

    refs = [model, Ref("models", "m")] * 4
    threads = [threading.Thread(target=ask, args=(ref,)) for ref in refs]
    with started(ask_elsewhere, catalog.root, model, phase, done) as process:
        wait_for(lambda: done.value == 1)
        for thread in threads:
            thread.start()
        try:
            for _ in range(25):
                label(catalog, "data/a", "legal")
                phase.value += 1  # tight from here
                time.sleep(0.003)
                phase.value += 1  # and no longer promised to be
                label(catalog, "data/a", "hr")
            label(catalog, "data/a", "legal")
            phase.value += 1
        finally:
            done.value = 2
            for thread in threads:
                thread.join()
        process.join(30)
        assert process.exitcode == 0
    assert failures == []


def test_many_threads_read_at_once(catalog: Catalog):
    ref = make(catalog, "data/c", "c", make(catalog, "data/a"), make(catalog, "data/b"))
    failures: list[BaseException] = []
    together = threading.Barrier(32)

    def read() -> None:
        try:
            together.wait(30)
            for number in range(3):
                label(catalog, f"data/x{number}", "hr")  # everybody forgets what they knew
                assert catalog.get(ref).ref == ref
                assert len(catalog.list()) == 3
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=read) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_label_is_set_without_touching_groups(catalog: Catalog, monkeypatch: pytest.MonkeyPatch):
    catalog.access.apply({"ana": frozenset({"hr"})}, {}, by="me")
    stale = catalog.access.groups()
    catalog.access.apply({}, {}, by="me")
    monkeypatch.setattr(catalog.access, "groups", lambda: stale)  # as a slow process would see it
    catalog.access.set_label(Ref("data", "x"), Label.parse("hr"), by="me")
    assert catalog.access.actor("ana").groups == frozenset()
