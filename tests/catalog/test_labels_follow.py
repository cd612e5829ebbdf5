"""Labels go along lineage by reference: tightened at the source, tight everywhere at once."""

from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.making import label, make, opened, processes, recipe, started, text_of
from inhouse.catalog import Catalog
from inhouse.catalog.schema import artifacts
from inhouse.core.access import Actor
from inhouse.core.artifact import Ref
from inhouse.core.errors import NotFound
from inhouse.core.label import Label

HR, LEGAL, BOTH = (
    Actor("ana", frozenset({"hr"})),
    Actor("lea", frozenset({"legal"})),
    Actor("bo", frozenset({"hr", "legal"})),
)


def may(catalog: Catalog, actor: Actor, ref: Ref) -> bool:
    return catalog.access.decide(actor, "read", ref, record=False).allowed


def test_the_label_is_joined_at_commit_and_followed_after(catalog: Catalog):
    for path, text in (("data/a", "hr"), ("data/b", "legal"), ("models/m", "open")):
        label(catalog, path, text)
    model = make(catalog, "models/m", "m", make(catalog, "data/a"), make(catalog, "data/b"))
    with catalog.database.read() as connection:
        rows = connection.execute(artifacts.select().where(artifacts.c.version == model.version))
        assert Label.parse(rows.one().label) == Label.parse("hr & legal")
    assert [may(catalog, actor, model) for actor in (HR, LEGAL, BOTH)] == [False, False, True]
    label(catalog, "data/a", "legal")
    assert [may(catalog, actor, model) for actor in (HR, LEGAL, BOTH)] == [False, True, True]
    assert catalog.get(model).label == Label.parse("legal")


def test_an_own_label_adds_to_what_is_inherited(catalog: Catalog):
    label(catalog, "data/a", "hr")
    label(catalog, "models/m", "legal")
    model = make(catalog, "models/m", "m", make(catalog, "data/a"))
    assert catalog.get(model).label == Label.parse("hr & legal")


def test_a_missing_label_is_closed(catalog: Catalog):
    label(catalog, "models/m", "open")
    source = make(catalog, "data/a")
    model = make(catalog, "models/m", "m", source)
    for thing in (source, model):
        decision = catalog.access.decide(BOTH, "read", thing, record=False)
        assert not decision.allowed
        assert decision.label == Label.CLOSED
    assert "inherited from data/a" in decision.reason


def test_what_was_found_in_a_version_adds_to_its_label_and_to_all_made_from_it(catalog: Catalog):
    for path in ("data/a", "models/m"):
        label(catalog, path, "hr")
    plain = make(catalog, "data/a", "a")
    model = make(catalog, "models/m", "m", plain)
    assert may(catalog, HR, model)
    marked = make(catalog, "data/a", "b", found="legal")
    made_of_it = make(catalog, "models/m", "m", marked)
    assert [may(catalog, HR, ref) for ref in (plain, model)] == [True, True]
    assert [may(catalog, HR, ref) for ref in (marked, made_of_it)] == [False, False]
    assert may(catalog, BOTH, made_of_it)
    decision = catalog.access.decide(HR, "read", made_of_it, record=False)
    assert "it carries legal, inherited from data/a" in decision.reason
    assert "found to carry legal" in catalog.audit()[-4].note + catalog.audit()[-3].note
    label(catalog, "data/a", "open")  # loosening the name takes nothing away that was found
    assert not may(catalog, HR, made_of_it)
    catalog.delete(marked, by="maker")
    assert not may(catalog, HR, made_of_it)


def test_a_version_that_is_made_again_is_found_to_hold_what_it_holds_now(catalog: Catalog):
    label(catalog, "data/a", "open")
    for text in ("hr", "legal", "open", "hr"):
        ref = make(catalog, "data/a", "a", found=text)
        assert str(catalog.get(ref).label) == text
        for blob in (catalog.root / "blobs").glob("*/*"):
            blob.unlink()


def test_a_filter_edge_does_not_carry_but_what_is_above_it_may(catalog: Catalog):
    label(catalog, "data/a", "hr")
    label(catalog, "knowledge/k", "open")
    label(catalog, "endpoints/e", "open")
    desk = make(catalog, "knowledge/k", "k", make(catalog, "data/a"), flow="filter")
    endpoint = make(catalog, "endpoints/e", "e", desk)
    assert may(catalog, LEGAL, desk)
    assert may(catalog, LEGAL, endpoint)
    carried = make(catalog, "endpoints/e", "e", make(catalog, "data/a"))
    assert not may(catalog, LEGAL, carried)


def test_all_versions_of_a_name_have_its_label(catalog: Catalog):
    label(catalog, "data/a", "hr")
    old, new = make(catalog, "data/a", "old"), make(catalog, "data/a", "new")
    label(catalog, "data/a", "legal")
    assert [may(catalog, LEGAL, ref) for ref in (old, new)] == [True, True]


def test_a_deleted_source_leaves_its_label_behind(catalog: Catalog):
    label(catalog, "data/a", "hr")
    label(catalog, "models/m", "open")
    source = make(catalog, "data/a")
    model = make(catalog, "models/m", "m", source)
    assert may(catalog, HR, source)
    catalog.delete(source, by="owner")
    for bytes_gone in (False, True):
        if bytes_gone:
            catalog.collect(by="owner")
        decision = catalog.access.decide(HR, "read", source, record=False)
        assert not decision.allowed
        assert "it was deleted" in decision.reason
        with pytest.raises(NotFound, match="deleted"):
            catalog.load(source)
        with pytest.raises(NotFound, match="deleted"):
            catalog.make(recipe("models/other", "x", source), by="ana")
        assert may(catalog, HR, model)
        assert not may(catalog, LEGAL, model)
        assert text_of(catalog, model) == "m\ntext"
    label(catalog, "data/a", "legal")
    assert not may(catalog, HR, model)
    assert catalog.find(Ref("data", "a")) is None


def answer(root: Path, pipe: Connection) -> None:
    with opened(root) as catalog:
        while True:
            actor, ref = pipe.recv()
            pipe.send(may(catalog, actor, ref))


def test_another_process_sees_it_at_its_next_question(catalog: Catalog):
    label(catalog, "data/a", "hr")
    label(catalog, "models/m", "open")
    source = make(catalog, "data/a")
    model = make(catalog, "models/m", "m", source)
    pipe, theirs = processes.Pipe()

    def asked(actor: Actor, ref: Ref) -> bool:
        pipe.send((actor, ref))
        assert pipe.poll(30)
        return pipe.recv()

    with pipe, theirs, started(answer, catalog.root, theirs):
        assert asked(HR, model)
        label(catalog, "data/a", "legal")
        assert not asked(HR, model)
        assert asked(LEGAL, model)
        make(catalog, "models/m", "newer")
        assert asked(HR, Ref("models", "m"))
        catalog.delete(model, by="owner")
        assert not asked(LEGAL, model)


GROUPS = ("a", "b", "c")
label_texts = st.sampled_from(["open", "closed", "a", "b", "c", "a|b", "a & b", "b|c & a"])
graphs = st.lists(
    st.tuples(st.none() | label_texts, st.sets(st.integers(0, 5), max_size=3)),
    min_size=1,
    max_size=6,
)
fresh_names = count()


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(graph=graphs, changes=st.lists(st.tuples(st.integers(0, 5), label_texts), max_size=2))
def test_readable_by_exactly_those_who_may_read_all_it_was_made_from(
    catalog: Catalog, graph: list, changes: list
):
    run, refs, own, above = next(fresh_names), [], [], []
    for number, (text, wanted) in enumerate(graph):
        parents = {parent for parent in wanted if parent < number}
        path = f"data/n{run}/{number}"
        if text:
            label(catalog, path, text)
        refs.append(make(catalog, path, path, *(refs[parent] for parent in sorted(parents))))
        own.append(Label.parse(text) if text else Label.CLOSED)
        above.append({number}.union(*(above[parent] for parent in parents)))
    for which, text in [(None, ""), *changes]:
        if which is not None and which < len(refs):
            label(catalog, refs[which].path, text)
            own[which] = Label.parse(text)
        for bits in range(1 << len(GROUPS)):
            held = frozenset(group for i, group in enumerate(GROUPS) if bits >> i & 1)
            for ref, sources in zip(refs, above, strict=True):
                expected = all(own[source].admits(held) for source in sources)
                assert may(catalog, Actor("x", held), ref) == expected
