"""The laws of the label lattice, for labels of every shape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inhouse.core.errors import BadInput
from inhouse.core.label import Clauses, Label, check_group

NAMES = ("hr", "legal", "buy-side", "sell-side", "A.1", "x_9")
groups = st.frozensets(st.sampled_from(NAMES))
labels = st.builds(Label, st.frozensets(st.frozensets(st.sampled_from(NAMES)), max_size=5))


@given(labels, labels, labels)
def test_join_is_a_semilattice(a: Label, b: Label, c: Label):
    assert a.join(a) == a
    assert a.join(b) == b.join(a)
    assert a.join(b).join(c) == a.join(b.join(c))
    assert a.join(Label.OPEN) == a
    assert a.join(Label.CLOSED) == Label.CLOSED
    assert Label.joined([a, b, c]) == a.join(b).join(c)
    assert Label.joined([]) == Label.OPEN


@given(labels, labels, groups)
def test_a_join_demands_what_both_demand(a: Label, b: Label, held: frozenset[str]):
    assert a.join(b).admits(held) == (a.admits(held) and b.admits(held))


@given(labels, groups, groups)
def test_more_groups_never_lose_access(label: Label, held: frozenset[str], more: frozenset[str]):
    assert label.admits(held | more) or not label.admits(held)


@given(labels, st.frozensets(st.sampled_from(NAMES)), groups)
def test_more_clauses_never_gain(label: Label, clause: frozenset[str], held: frozenset[str]):
    tighter = Label(label.clauses | {clause})
    assert label.admits(held) or not tighter.admits(held)


@given(st.frozensets(st.frozensets(st.sampled_from(NAMES)), max_size=6), groups)
def test_absorption_keeps_the_meaning(clauses: frozenset[frozenset[str]], held: frozenset[str]):
    label = Label(clauses)
    assert label.admits(held) == all(clause & held for clause in clauses)
    assert not any(a < b for a in label.clauses for b in label.clauses)


@given(labels, labels)
def test_equal_demands_are_equal_labels(a: Label, b: Label):
    everyone = [
        frozenset(name for i, name in enumerate(NAMES) if bits >> i & 1)
        for bits in range(1 << len(NAMES))
    ]
    assert (a == b) == all(a.admits(held) == b.admits(held) for held in everyone)


@given(labels)
def test_the_text_form_parses_back(label: Label):
    assert Label.parse(str(label)) == label


name = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,8}", fullmatch=True)


@given(st.text(max_size=12) | name)
def test_a_group_that_is_accepted_survives_the_text_form(group: str):
    try:
        label = Label(frozenset({frozenset({group})}))
    except BadInput:
        with pytest.raises(BadInput):
            check_group(group)
    else:
        assert check_group(group) == group
        assert Label.parse(str(label)) == label


@given(labels, groups)
def test_missing_is_what_stands_in_the_way(label: Label, held: frozenset[str]):
    missing = label.missing(held)
    assert missing.clauses <= label.clauses
    assert (missing == Label.OPEN) == label.admits(held)


@given(st.lists(labels, max_size=8), st.lists(groups, min_size=1, max_size=4))
def test_bits_agree_with_the_algebra(many: list[Label], held: list[frozenset[str]]):
    clauses = Clauses()
    needs = []
    for label in many:
        needs.append(clauses.need(label))
        for mine in held:  # asked between, so that what is remembered of a group is out of date
            assert [clauses.admits(mine, need) for need in needs] == [
                known.admits(mine) for known in many[: len(needs)]
            ]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (" open ", Label.OPEN),
        ("closed", Label.CLOSED),
        ("{hr|legal} ∧ {buy-side}", Label.parse("buy-side & legal | hr")),
        ("hr & hr|legal", Label.parse("hr")),
    ],
)
def test_forms_that_are_read(text: str, same: Label):
    assert Label.parse(text) == same


@pytest.mark.parametrize(
    "text",
    ["", " ", "a &", "& a", "a | ", "a || b", "{}", "a b", "open & a", "closed|a", "a,b", "-a"],
)
def test_forms_that_are_refused(text: str):
    with pytest.raises(BadInput) as caught:
        Label.parse(text)
    assert caught.value.fix
